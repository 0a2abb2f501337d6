#include "tests/service_fuzz/fuzzed_calls.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/promises.h"
#include "tests/server/raw_call.h"
#include "tests/service_fuzz/whole_server.h"

namespace kprune {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

// What clients of gRPC take of a message unless they ask for more.
constexpr size_t kMaxAnswerBytes = size_t{4} << 20;
constexpr std::string_view kJobs = "jobs/";

std::unique_ptr<Message> NewMessage(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

absl::Status ToStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// Puts a real job where the request's name stands for a state; returns its name.
std::optional<std::string> NameJob(WholeServer& server, const MethodDescriptor& method,
                                   std::string& request) {
  const FieldDescriptor* const field = method.input_type()->FindFieldByName("name");
  const std::unique_ptr<Message> message = NewMessage(method.input_type());
  if (field == nullptr || !message->ParseFromString(request)) return std::nullopt;
  const std::string name = message->GetReflection()->GetString(*message, field);
  if (name.compare(0, kJobs.size(), kJobs) != 0) return std::nullopt;
  const std::string state = name.substr(kJobs.size());
  // A watch of any other job would wait for its end.
  if (method.server_streaming() && state != "SUCCEEDED" && state != "FAILED" && state != "CANCELLED")
    return std::nullopt;
  std::string job = server.MakeJob(state);
  if (job.empty()) return std::nullopt;
  message->GetReflection()->SetString(message.get(), field, job);
  request = message->SerializeAsString();
  return job;
}

}  // namespace

const MethodDescriptor& MethodNamed(const std::string& name) {
  const MethodDescriptor* method = nullptr;
  for (const auto* service : {v1::ArtifactService::service_full_name(), v1::JobService::service_full_name(),
                              v1::ServerService::service_full_name()}) {
    const auto* const found = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
    if (method == nullptr) method = found->FindMethodByName(name);
  }
  Require(method != nullptr, "the method exists");
  return *method;
}

std::vector<std::string> SplitMessages(std::string_view bytes) {
  std::vector<std::string> messages;
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  for (;;) {
    const std::string_view rest = bytes.substr(static_cast<size_t>(stream.CurrentPosition()));
    if (rest.empty()) return messages;
    uint32_t size = 0;
    std::string message;
    if (!stream.ReadVarint32(&size) || size > rest.size() ||
        !stream.ReadString(&message, static_cast<int>(size))) {
      messages.emplace_back(rest);
      return messages;
    }
    messages.push_back(std::move(message));
  }
}

std::string JoinMessages(const std::vector<std::string>& messages) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  for (const std::string& message : messages) {
    out.WriteVarint32(static_cast<uint32_t>(message.size()));
    out.WriteString(message);
  }
  out.Trim();
  return bytes;
}

void MakeCall(const std::string& name, const uint8_t* bytes, size_t size) {
  static WholeServer server;
  const MethodDescriptor& method = MethodNamed(name);
  std::string request(reinterpret_cast<const char*>(bytes), size);
  std::optional<std::string> job = NameJob(server, method, request);
  const testing::RawAnswers answers =
      testing::RawCalls(server.channel(), absl::StrCat("/", method.service()->full_name(), "/", name),
                        method.client_streaming() ? SplitMessages(request) : std::vector{request});
  if (!answers.status.ok()) RequireSentence(ToStatus(answers.status));
  const std::unique_ptr<Message> message = NewMessage(method.output_type());
  for (const std::string& answer : answers.messages) {
    Require(message->ParseFromString(answer), "answers can be read");
    Require(answer.size() <= kMaxAnswerBytes, "answers can be taken");
  }
  Require(method.server_streaming() || answers.messages.size() == (answers.status.ok() ? 1 : 0),
          "a call has one answer");
  if (name == "CreateJob" && answers.status.ok()) job = static_cast<const v1::Job&>(*message).name();
  if (job) server.Remove(*job);
}

}  // namespace kprune
