// One HTTP exchange: the seam between what a source means and how bytes travel. Production sends with libcurl
// (curl_http_client.h); tests answer from memory. Redirects, retries and limits are not its business
// (source_reader.h).
#ifndef KPRUNE_SERVER_SOURCES_HTTP_CLIENT_H_
#define KPRUNE_SERVER_SOURCES_HTTP_CLIENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/sources/source_credentials.h"
#include "server/sources/source_url.h"

namespace kprune {

// A GET.
struct HttpRequest {
  SourceUrl url;
  // Empty: no Authorization header.
  std::string bearer_token;
  // Signs the request (AWS Signature Version 4, service s3) for the region.
  std::optional<S3Credentials> sign_with;
  std::string region;
  // Bytes from here on (Range), if the file still has this strong ETag (If-Range); 0: the whole file.
  int64_t offset = 0;
  std::string etag;
};

// Status and headers of an answer.
struct HttpHead {
  int status = 0;
  std::optional<int64_t> content_length;  // of this answer's body
  int64_t range_start = 0;                // of Content-Range; 0 where there is none
  std::string etag;                       // with its quotes; empty: none
  std::string location;
  absl::Duration retry_after = absl::ZeroDuration();
};

// Takes an answer. A status that is not OK ends the exchange and is what Send returns.
class HttpReceiver {
 public:
  virtual ~HttpReceiver() = default;
  virtual absl::Status OnHead(const HttpHead& head) = 0;
  virtual absl::Status OnBody(std::string_view bytes) = 0;
};

// Used by one thread at a time; keeps connections between calls.
class HttpClient {
 public:
  virtual ~HttpClient() = default;

  // Sends the request and hands the answer over, whatever its status. `go_on` is asked at least ten times a
  // second, on the calling thread; where it says false the exchange ends. CANCELLED: it did. UNAVAILABLE: the
  // host was not found or reached, the connection broke or stalled, the body was shorter than declared; it is
  // worth another try. PERMISSION_DENIED: the host's address must not be connected to. FAILED_PRECONDITION:
  // its certificate was not accepted. Messages say what happened ("the connection was refused") and hold
  // neither URL nor secret.
  virtual absl::Status Send(const HttpRequest& request, HttpReceiver& receiver,
                            const std::function<bool()>& go_on) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_HTTP_CLIENT_H_
