// A call by its name and bytes, for services whose messages are not generated here (health, reflection).
#ifndef KPRUNE_TESTS_SERVER_RAW_CALL_H_
#define KPRUNE_TESTS_SERVER_RAW_CALL_H_

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <vector>

namespace kprune::testing {

struct RawAnswers {
  grpc::Status status;
  std::vector<std::string> messages;
};

// Sends the messages as long as the server takes them, ends the sending and reads until the call has ended.
// `method` is "/package.Service/Method"; `authorization` is the metadata of that name, "" for none.
inline RawAnswers RawCalls(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                           const std::vector<std::string>& requests, const std::string& authorization = "") {
  grpc::ClientContext context;
  if (!authorization.empty()) context.AddMetadata("authorization", authorization);
  grpc::CompletionQueue queue;
  const auto call = grpc::GenericStub(channel).PrepareCall(&context, method, &queue);
  const auto wait = [&] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  RawAnswers answers;
  call->StartCall(nullptr);
  bool open = wait();
  for (size_t i = 0; open && i < requests.size(); ++i) {
    const grpc::Slice slice(requests[i]);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    open = wait();
  }
  if (open) {
    call->WritesDone(nullptr);
    wait();
  }
  for (;;) {
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    if (!wait()) break;
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (response.Dump(&slices).ok()) {
      for (const grpc::Slice& part : slices)
        bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
    answers.messages.push_back(std::move(bytes));
  }
  call->Finish(&answers.status, nullptr);
  wait();
  queue.Shutdown();
  return answers;
}

struct RawAnswer {
  grpc::Status status;
  std::string bytes;  // of the first response message
};

// One message there, one back.
inline RawAnswer RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                         const std::string& request, const std::string& authorization = "") {
  RawAnswers answers = RawCalls(channel, method, {request}, authorization);
  return {answers.status, answers.messages.empty() ? "" : std::move(answers.messages[0])};
}

// "SERVING", "NOT_SERVING" or the name of the error.
inline std::string Health(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  // HealthCheckRequest {string service = 1}; HealthCheckResponse {enum status = 1}: 1 is SERVING, 2 is
  // NOT_SERVING.
  const std::string request =
      service.empty() ? "" : std::string("\x0a") + static_cast<char>(service.size()) + service;
  const RawAnswer answer = RawCall(channel, "/grpc.health.v1.Health/Check", request);
  if (!answer.status.ok()) return "error " + std::to_string(answer.status.error_code());
  if (answer.bytes == "\x08\x01") return "SERVING";
  return answer.bytes == "\x08\x02" ? "NOT_SERVING" : "unknown";
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SERVER_RAW_CALL_H_
