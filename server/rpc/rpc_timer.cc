#include "server/rpc/rpc_timer.h"

#include <chrono>
#include <string>

#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

// Lives as long as its call; gRPC uses it from one thread at a time.
class RpcTimer final : public grpc::experimental::Interceptor {
 public:
  RpcTimer(Metrics* metrics, const char* method)
      : metrics_(metrics), method_(method), start_(std::chrono::steady_clock::now()) {
    if (!method_.empty() && method_[0] == '/') method_.erase(0, 1);
  }

  ~RpcTimer() override {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
    metrics_->OnRpcFinished(method_, CodeName(code_), seconds.count());
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      code_ = methods->GetSendStatus().error_code();
    }
    methods->Proceed();
  }

 private:
  Metrics* const metrics_;
  std::string method_;
  const std::chrono::steady_clock::time_point start_;
  // What a call that never gets to send its status ends with.
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

}  // namespace

grpc::experimental::Interceptor* RpcTimerFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  return new RpcTimer(metrics_, info->method());
}

}  // namespace kprune
