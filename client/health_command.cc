// kprune health: whether a server serves, by its exit code; the health check of a container.
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/command.h"
#include "client/connection.h"

namespace kprune::client {
namespace {

struct HealthFlags {
  ServerFlags server;
  std::string service;
};

// grpc.health.v1's messages have one field each, numbered 1: the name of a service, and a status. A wrapper
// has the same bytes.
using HealthRequest = google::protobuf::StringValue;
using HealthResponse = google::protobuf::Int32Value;
constexpr int kServing = 1;

// Asked once, without waiting for a server that is not there: the one who probes asks again.
absl::Status PrintHealth(const HealthFlags& flags, Session& session) {
  const auto opened = Connection::Open(flags.server, session.interrupt);
  if (!opened.ok()) return opened.status();
  const Connection& connection = **opened;
  CallContext context(connection, CallContext::Kind::kUnary);
  HealthRequest request;
  request.set_value(flags.service);
  HealthResponse response;
  grpc::Status answer;
  absl::Notification answered;
  grpc::TemplatedGenericStub<HealthRequest, HealthResponse> stub(connection.channel());
  stub.UnaryCall(context.get(), "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&](grpc::Status status) {
                   answer = std::move(status);
                   answered.Notify();
                 });
  answered.WaitForNotification();
  const std::string of = flags.service.empty() ? "" : absl::StrCat(" of \"", flags.service, "\"");
  if (answer.error_code() == grpc::StatusCode::NOT_FOUND) {
    return absl::NotFoundError(absl::StrCat("the server at ", connection.address(), " knows no health", of,
                                            "; give --service the name of a service, liveness, or none"));
  }
  const absl::Status status = connection.Explain(answer);
  if (!status.ok()) return status;
  if (response.value() != kServing) {
    return absl::UnavailableError(absl::StrCat("the health", of, " at ", connection.address(),
                                               " is NOT_SERVING: the server starts or drains; see its log"));
  }
  session.out << "SERVING\n";
  return absl::OkStatus();
}

}  // namespace

void AddHealthCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<HealthFlags>();
  CLI::App* command = app.add_subcommand("health", "Ask whether a server serves; exit code 0 if so");
  AddServerFlags(*command, flags->server);
  command->add_option("--service", flags->service,
                      "Ask for one service, such as kprune.v1.JobService; by default the whole server");
  command->footer("Example:\n  kprune health --server 127.0.0.1:8470");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return PrintHealth(*flags, session); }; });
}

}  // namespace kprune::client
