#include "server/rpc/unreadable_request.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/auth/access_policy.h"
#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

using grpc::experimental::InterceptionHookPoints;

// Lives as long as its call; gRPC uses it from one thread at a time.
class UnreadableRequest final : public grpc::experimental::Interceptor {
 public:
  explicit UnreadableRequest(const char* method) : method_(method) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && status.error_message().empty())
        methods->ModifySendStatus(ToGrpcStatus(Refusal()));
    }
    methods->Proceed();
  }

 private:
  absl::Status Refusal() const {
    return absl::InvalidArgumentError(
        absl::StrCat("The request's bytes are no message that ", method_,
                     " takes; send what the server's protos describe, with texts in UTF-8."));
  }

  const std::string method_;
};

}  // namespace

grpc::experimental::Interceptor* UnreadableRequestFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  const std::string_view method = info->method();
  const bool known = FindPolicy(method.substr(1)) != nullptr || method.starts_with("/grpc.health.");
  return known ? new UnreadableRequest(info->method()) : nullptr;
}

}  // namespace kprune
