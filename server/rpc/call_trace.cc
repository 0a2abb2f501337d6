#include "server/rpc/call_trace.h"

#include <string_view>

#include "kprune/trace_parent.h"

namespace kprune {

std::string TraceParentOf(const grpc::ServerContextBase& context) {
  const auto found = context.client_metadata().find(kTraceParentKey);
  if (found == context.client_metadata().end()) return "";
  const std::string_view text(found->second.data(), found->second.size());
  return IsTraceParent(text) ? std::string(text.substr(0, kTraceParentChars)) : "";
}

}  // namespace kprune
