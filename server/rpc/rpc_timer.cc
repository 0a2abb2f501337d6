#include "server/rpc/rpc_timer.h"

#include <google/protobuf/descriptor.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "kprune/v1/server_service.grpc.pb.h"
#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

// Lives as long as its call; gRPC uses it from one thread at a time.
class RpcTimer final : public grpc::experimental::Interceptor {
 public:
  RpcTimer(Metrics* metrics, const char* method, bool is_stream)
      : metrics_(metrics), method_(method), is_stream_(is_stream), start_(std::chrono::steady_clock::now()) {
    if (!method_.empty() && method_[0] == '/') method_.erase(0, 1);
    if (is_stream_) metrics_->OnStreamOpened(method_);
  }

  ~RpcTimer() override {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
    if (is_stream_) metrics_->OnStreamClosed(method_);
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
  const bool is_stream_;
  const std::chrono::steady_clock::time_point start_;
  // What a call that never gets to send its status ends with.
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

}  // namespace

grpc::experimental::Interceptor* RpcTimerFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  const bool is_stream = info->type() != grpc::experimental::ServerRpcInfo::Type::UNARY;
  return new RpcTimer(metrics_, info->method(), is_stream);
}

void TellMethodsServed(Metrics& metrics) {
  for (const char* name : {v1::ArtifactService::service_full_name(), v1::JobService::service_full_name(),
                           v1::ServerService::service_full_name()}) {
    const auto* const service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; i < service->method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *service->method(i);
      metrics.OnMethodServed(absl::StrCat(name, "/", method.name()),
                             method.client_streaming() || method.server_streaming());
    }
  }
}

}  // namespace kprune
