// How a program that calls kprune-server and the server know each other by their certificates.
#ifndef KPRUNE_CREDENTIALS_CHANNEL_CREDENTIALS_H_
#define KPRUNE_CREDENTIALS_CHANNEL_CREDENTIALS_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

namespace kprune {

// Files in PEM; ca empty: no TLS; cert and key empty: no certificate of our own.
struct TlsFiles {
  std::string ca, cert, key;
};

// Files that are replaced are read again within seconds and used for the next handshake, so that a connection
// that breaks comes back with a certificate that was replaced meanwhile.
std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(const TlsFiles& files);

}  // namespace kprune

#endif  // KPRUNE_CREDENTIALS_CHANNEL_CREDENTIALS_H_
