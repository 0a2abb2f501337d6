#include "exporter/channel_credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr unsigned kReadAgainSeconds = 1;

constexpr size_t kMaxTokenBytes = 4096;

}  // namespace

absl::StatusOr<std::string> ReadToken(const std::string& file) {
  std::string line;
  if (std::ifstream in(file); !std::getline(in, line))
    return absl::NotFoundError(
        absl::StrCat("cannot read a token from ", file, "; --token-file names a file with one line"));
  const std::string token(absl::StripAsciiWhitespace(line));
  // Visible ASCII: gRPC would end the program at anything else.
  const auto is_visible = [](unsigned char c) { return c > ' ' && c <= '~'; };
  if (!token.empty() && token.size() <= kMaxTokenBytes && std::all_of(token.begin(), token.end(), is_visible))
    return token;
  return absl::FailedPreconditionError(
      absl::StrCat("what is in ", file, " is no token: one line of visible characters"));
}

std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(const TlsFiles& files) {
  if (files.ca.empty()) return grpc::InsecureChannelCredentials();
  namespace tls = grpc::experimental;
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<tls::FileWatcherCertificateProvider>(
      files.key, files.cert, files.ca, kReadAgainSeconds));
  options.watch_root_certs();
  if (!files.cert.empty()) options.watch_identity_key_cert_pairs();
  return tls::TlsCredentials(options);
}

}  // namespace kprune
