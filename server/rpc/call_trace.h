// Which trace a call belongs to.
#ifndef KPRUNE_SERVER_RPC_CALL_TRACE_H_
#define KPRUNE_SERVER_RPC_CALL_TRACE_H_

#include <grpcpp/server_context.h>

#include <string>

namespace kprune {

// The traceparent (kprune/trace_parent.h) of the call's metadata; empty where it has none or a malformed one,
// which the standard says to ignore. Call while the call is open.
std::string TraceParentOf(const grpc::ServerContextBase& context);

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_CALL_TRACE_H_
