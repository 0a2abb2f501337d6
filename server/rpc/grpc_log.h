// What the gRPC library has to say, in the service's log.
#ifndef KPRUNE_SERVER_RPC_GRPC_LOG_H_
#define KPRUNE_SERVER_RPC_GRPC_LOG_H_

namespace kprune {

// From now on its errors (GRPC_VERBOSITY asks for more) are events "grpc" of server/log.h, and it writes no
// lines of its own.
void TakeLogOfGrpc();

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_GRPC_LOG_H_
