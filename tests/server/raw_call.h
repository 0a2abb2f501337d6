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

struct RawAnswer {
  grpc::Status status;
  std::string bytes;  // of the first response message
};

// Sends one message, reads one and ends the call; `method` is "/package.Service/Method".
inline RawAnswer RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                         const std::string& request) {
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = grpc::GenericStub(channel).PrepareCall(&context, method, &queue);
  const auto wait = [&] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  RawAnswer answer;
  call->StartCall(nullptr);
  bool open = wait();
  const grpc::Slice slice(request);
  if (open) {
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    open = wait();
  }
  grpc::ByteBuffer response;
  if (open) {
    call->Read(&response, nullptr);
    open = wait();
  }
  std::vector<grpc::Slice> slices;
  if (open && response.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices)
      answer.bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
  }
  call->Finish(&answer.status, nullptr);
  wait();
  queue.Shutdown();
  return answer;
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
