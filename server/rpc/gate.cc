#include "server/rpc/gate.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
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

}  // namespace

absl::StatusOr<Caller> Gate::Admit(grpc::CallbackServerContext& context, std::string_view method,
                                   std::string_view resource) {
  absl::StatusOr<Caller> caller = access_.Admit(method, CredentialsOf(context));
  std::lock_guard lock(mutex_);
  if (AuditEntry* const entry = Find(context)) {
    entry->request_id = RequestIdOf(context);
    entry->peer = context.peer();
    entry->resource = std::string(resource);
    if (caller.ok()) {
      entry->subject = caller->subject;
      entry->tenant = caller->tenant;
      entry->role = std::string(RoleName(caller->role));
    }
  }
  return caller;
}

void Gate::NameResource(const grpc::ServerContextBase& context, std::string_view resource) {
  std::lock_guard lock(mutex_);
  if (AuditEntry* const entry = Find(context)) entry->resource = std::string(resource);
}

AuditEntry* Gate::Find(const grpc::ServerContextBase& context) {
  const auto found = open_.find(&context);
  return found == open_.end() ? nullptr : &found->second;
}

// One call, from before its method is run until its context goes.
class Gate::CallAudit final : public grpc::experimental::Interceptor {
 public:
  CallAudit(Gate& gate, const grpc::ServerContextBase* context, std::string_view method)
      : gate_(gate), context_(context) {
    AuditEntry entry{.time = absl::Now(), .method = std::string(method)};
    std::lock_guard lock(gate_.mutex_);
    gate_.open_.insert_or_assign(context_, std::move(entry));
  }

  ~CallAudit() override {
    AuditEntry entry;
    {
      std::lock_guard lock(gate_.mutex_);
      const auto found = gate_.open_.find(context_);
      entry = std::move(found->second);
      gate_.open_.erase(found);
    }
    entry.code = std::string(CodeName(code_));
    gate_.audit_->Write(entry);
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS))
      code_ = methods->GetSendStatus().error_code();
    methods->Proceed();
  }

 private:
  Gate& gate_;
  const grpc::ServerContextBase* const context_;
  // What a call that never gets to send its status ends with.
  grpc::StatusCode code_ = grpc::StatusCode::CANCELLED;
};

class Gate::Auditor final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Auditor(Gate& gate) : gate_(gate) {}

  // Null for the calls of others, such as health.
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    std::string_view method = info->method();
    if (!method.starts_with("/kprune.")) return nullptr;
    return new CallAudit(gate_, info->server_context(), method.substr(1));
  }

 private:
  Gate& gate_;
};

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Gate::MakeAuditor() {
  return std::make_unique<Auditor>(*this);
}

}  // namespace kprune
