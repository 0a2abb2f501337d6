// Which server a command calls, and how they know each other.
#ifndef KPRUNE_CLIENT_SERVER_FLAGS_H_
#define KPRUNE_CLIENT_SERVER_FLAGS_H_

#include <string>

#include "client/server_address.h"

namespace kprune::client {

// Empty: not given.
struct ServerFlags {
  std::string address = kDefaultServer;
  // PEM files. With one of them, or a name, TLS is spoken.
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_server_name;
  // Its first line is the token; the token itself is never on a command line, where other users see it.
  std::string token_file;
  bool insecure = false;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_SERVER_FLAGS_H_
