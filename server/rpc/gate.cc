#include "server/rpc/gate.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/log.h"
#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

std::string MetadataOf(const grpc::ServerContextBase& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  return found == context.client_metadata().end() ? ""
                                                  : std::string(found->second.data(), found->second.size());
}

Credentials CredentialsOf(const grpc::ServerContextBase& context) {
  Credentials credentials{MetadataOf(context, "authorization"), {}};
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return credentials;
  for (const char* property : {GRPC_X509_SAN_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME}) {
    for (const grpc::string_ref& name : peer->FindPropertyValues(property))
      credentials.certificate_names.emplace_back(name.data(), name.size());
  }
  return credentials;
}

// The client's own where it sends a plain one, so that its log and ours can be read together.
std::string RequestIdOf(const grpc::ServerContextBase& context) {
  std::string id = MetadataOf(context, "x-request-id");
  const auto plain = [](unsigned char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; };
  if (!id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), plain)) return id;
  thread_local std::mt19937_64 random{std::random_device{}()};
  return absl::StrFormat("%016x", random());
}

// The call, which stays one that can be cancelled as long as somebody has it.
std::shared_ptr<grpc_call> Hold(grpc_call* call) {
  grpc_call_ref(call);
  return {call, grpc_call_unref};
}

}  // namespace

absl::StatusOr<Caller> Gate::Admit(grpc::CallbackServerContext& context, std::string_view method,
                                   std::string_view resource) {
  Credentials credentials = CredentialsOf(context);
  // Held from the decision on: who is taken away meanwhile is found by EndRevokedStreams.
  std::lock_guard lock(mutex_);
  absl::StatusOr<Caller> caller = access_.Admit(method, credentials);
  OpenCall* const call = Find(context);
  if (call == nullptr) return caller;
  call->entry.request_id = RequestIdOf(context);
  call->entry.peer = context.peer();
  call->entry.resource = std::string(resource);
  if (!caller.ok()) return caller;
  call->entry.subject = caller->subject;
  call->entry.tenant = caller->tenant;
  call->entry.role = std::string(RoleName(caller->role));
  if (!call->is_stream) return caller;
  call->credentials = std::move(credentials);
  call->caller = *caller;
  call->stream = Hold(context.c_call());
  return caller;
}

void Gate::NameResource(const grpc::ServerContextBase& context, std::string_view resource) {
  std::lock_guard lock(mutex_);
  if (OpenCall* const call = Find(context)) call->entry.resource = std::string(resource);
}

Gate::OpenCall* Gate::Find(const grpc::ServerContextBase& context) {
  const auto found = open_.find(&context);
  return found == open_.end() ? nullptr : &found->second;
}

void Gate::EndRevokedStreams() {
  std::vector<std::pair<std::shared_ptr<grpc_call>, absl::Status>> ended;
  {
    std::lock_guard lock(mutex_);
    for (auto& [context, call] : open_) {
      if (call.stream == nullptr || !call.revoked.ok()) continue;
      call.revoked = access_.MayGoOn(call.entry.method, call.credentials, call.caller);
      if (call.revoked.ok()) continue;
      LogWarning("stream-revoked", {{"subject", call.entry.subject},
                                    {"method", call.entry.method},
                                    {"peer", call.entry.peer},
                                    {"reason", std::string(call.revoked.message())}});
      ended.emplace_back(call.stream, call.revoked);
    }
  }
  // Without mutex_: what ends may take it. The client is sent this status at once, also where it takes no
  // more messages; the stream's reactor sees a client that is gone.
  for (const auto& [stream, status] : ended) {
    grpc_call_cancel_with_status(stream.get(), static_cast<grpc_status_code>(status.code()),
                                 std::string(status.message()).c_str(), nullptr);
  }
}

class Gate::WatchedCall final : public grpc::experimental::Interceptor {
 public:
  WatchedCall(Gate& gate, grpc::experimental::ServerRpcInfo& info)
      : gate_(gate), context_(info.server_context()) {
    OpenCall call;
    call.entry.time = absl::Now();
    call.entry.method = std::string_view(info.method()).substr(1);
    call.is_stream = info.type() != grpc::experimental::ServerRpcInfo::Type::UNARY;
    std::lock_guard lock(gate_.mutex_);
    gate_.open_.insert_or_assign(context_, std::move(call));
  }

  ~WatchedCall() override {
    OpenCall call;
    {
      std::lock_guard lock(gate_.mutex_);
      const auto found = gate_.open_.find(context_);
      call = std::move(found->second);
      gate_.open_.erase(found);
    }
    call.entry.code = std::string(CodeName(code_));
    if (gate_.audit_ != nullptr) gate_.audit_->Write(call.entry);
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      const absl::Status revoked = gate_.RevokedStatus(*context_);
      // What its client was sent, and not that the client is gone.
      if (!revoked.ok()) methods->ModifySendStatus(ToGrpcStatus(revoked));
      code_ = methods->GetSendStatus().error_code();
    }
    methods->Proceed();
  }

 private:
  Gate& gate_;
  const grpc::ServerContextBase* const context_;
  // What a call that never gets to send its status ends with.
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

absl::Status Gate::RevokedStatus(const grpc::ServerContextBase& context) {
  std::lock_guard lock(mutex_);
  const OpenCall* const call = Find(context);
  return call == nullptr ? absl::OkStatus() : call->revoked;
}

class Gate::Watcher final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Watcher(Gate& gate) : gate_(gate) {}

  // Null for the calls of others, such as health.
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    if (!std::string_view(info->method()).starts_with("/kprune.")) return nullptr;
    return new WatchedCall(gate_, *info);
  }

 private:
  Gate& gate_;
};

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Gate::MakeWatcher() {
  return std::make_unique<Watcher>(*this);
}

}  // namespace kprune
