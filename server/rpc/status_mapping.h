// The one place where our statuses become gRPC's. The code is kept, and so is the sentence, unless it is so
// long that clients would refuse it.
#ifndef KPRUNE_SERVER_RPC_STATUS_MAPPING_H_
#define KPRUNE_SERVER_RPC_STATUS_MAPPING_H_

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace kprune {

grpc::Status ToGrpcStatus(const absl::Status& status);

// The canonical name, e.g. "INVALID_ARGUMENT".
std::string_view CodeName(grpc::StatusCode code);

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_STATUS_MAPPING_H_
