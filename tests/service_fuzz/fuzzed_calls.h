// Sends any bytes as a call of the service.
#ifndef KPRUNE_TESTS_SERVICE_FUZZ_FUZZED_CALLS_H_
#define KPRUNE_TESTS_SERVICE_FUZZ_FUZZED_CALLS_H_

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kprune {

// The method of that name ("CreateJob") of one of the services. It must exist.
const google::protobuf::MethodDescriptor& MethodNamed(const std::string& name);

// The messages of a client's stream: one after the other, each behind its length (a varint), as protobuf's
// delimited messages are. Bytes that are no whole message are one by themselves.
std::vector<std::string> SplitMessages(std::string_view bytes);
std::string JoinMessages(const std::vector<std::string>& messages);

// Makes the call with the bytes as its request, or as the messages of its stream. In a request's `name`,
// "jobs/QUEUED", "jobs/FAILED" and so on stand for a job in that state. Aborts where the answer is not what
// the protos promise: a message that can be read and taken, or a refusal with a canonical code other than
// UNKNOWN and INTERNAL in a sentence.
void MakeCall(const std::string& method, const uint8_t* bytes, size_t size);

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVICE_FUZZ_FUZZED_CALLS_H_
