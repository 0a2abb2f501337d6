// Changes messages as messages: bytes that are changed at random are seldom ones any more. Works for every
// message, by reflection.
#ifndef KPRUNE_TESTS_SERVICE_FUZZ_MESSAGE_MUTATOR_H_
#define KPRUNE_TESTS_SERVICE_FUZZ_MESSAGE_MUTATOR_H_

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace kprune {

// libFuzzer's LLVMFuzzerMutate: changes bytes in place, to at most `max_size`, and returns how many they are.
using MutateBytes = size_t (*)(uint8_t* bytes, size_t size, size_t max_size);

// The request of `method` with a field of it, or of a message in it, set, changed, added or taken away; of a
// stream, one of its messages is changed, repeated or taken away. What is not readable counts as empty. The
// same for the same seed, as far as `mutate` is.
std::string MutateRequest(const google::protobuf::MethodDescriptor& method, const std::string& request,
                          unsigned seed, MutateBytes mutate);

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVICE_FUZZ_MESSAGE_MUTATOR_H_
