// HttpClient over libcurl. Certificates are always verified; proxies, cookies, .netrc and redirects are not
// followed, so that nothing but the URL decides where a request goes. The address that is about to be
// connected to is checked, not one that was looked up before, so a name cannot change in between.
#ifndef KPRUNE_SERVER_SOURCES_CURL_HTTP_CLIENT_H_
#define KPRUNE_SERVER_SOURCES_CURL_HTTP_CLIENT_H_

#include <filesystem>
#include <memory>

#include "absl/time/time.h"
#include "server/sources/address_rules.h"
#include "server/sources/http_client.h"

namespace kprune {

struct CurlHttpClientOptions {
  AddressRules addresses;
  // Certificates (PEM) of authorities that are trusted beside the system's; empty: none.
  std::filesystem::path ca_file;
  absl::Duration connect_timeout = absl::Seconds(10);
  // A transfer below a kilobyte a second for so long has stalled; whole seconds.
  absl::Duration stall_timeout = absl::Seconds(30);
};

// One client; connections are kept and used again.
std::unique_ptr<HttpClient> MakeCurlHttpClient(const CurlHttpClientOptions& options);

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_CURL_HTTP_CLIENT_H_
