// What the gRPC library has to say, in a program's log.
#ifndef KPRUNE_SERVER_GRPC_LOG_H_
#define KPRUNE_SERVER_GRPC_LOG_H_

namespace kprune {

// Lines a second that one place in gRPC's code may write (docs/logging.md).
inline constexpr int kGrpcLinesASecond = 5;

// From now on its errors (GRPC_VERBOSITY asks for more) are events "grpc" of server/log.h, and it writes no
// lines of its own. Call once, after the log's format is set and before the library is used.
void TakeLogOfGrpc();

}  // namespace kprune

#endif  // KPRUNE_SERVER_GRPC_LOG_H_
