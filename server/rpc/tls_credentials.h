// TLS of the server, at least version 1.2, with the certificates that a CertificateKeeper has now.
#ifndef KPRUNE_SERVER_RPC_TLS_CREDENTIALS_H_
#define KPRUNE_SERVER_RPC_TLS_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "server/auth/certificate_keeper.h"

namespace kprune {

// With authorities of clients, one that has a certificate must have it from them; `client_required`: every
// client must have one. `certificates` must outlive the server.
std::shared_ptr<grpc::ServerCredentials> MakeTlsCredentials(const CertificateKeeper& certificates,
                                                            bool client_required);

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_TLS_CREDENTIALS_H_
