// How the exporter proves who it is to servers, and they to it.
#ifndef KPRUNE_EXPORTER_CHANNEL_CREDENTIALS_H_
#define KPRUNE_EXPORTER_CHANNEL_CREDENTIALS_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace kprune {

// Files in PEM; ca empty: no TLS; cert and key empty: no certificate of our own.
struct TlsFiles {
  std::string ca, cert, key;
};

// Files that are replaced are read again within seconds, and used for the next connection.
std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(const TlsFiles& files);

// The first line of the file. NOT_FOUND; FAILED_PRECONDITION: it is no token.
absl::StatusOr<std::string> ReadToken(const std::string& file);

}  // namespace kprune

#endif  // KPRUNE_EXPORTER_CHANNEL_CREDENTIALS_H_
