// Where a server is when nobody says.
#ifndef KPRUNE_CLIENT_SERVER_ADDRESS_H_
#define KPRUNE_CLIENT_SERVER_ADDRESS_H_

namespace kprune::client {

inline constexpr char kDefaultServer[] = "127.0.0.1:8470";

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_SERVER_ADDRESS_H_
