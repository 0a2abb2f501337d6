// One target for every method: KPRUNE_FUZZED_NAME is what it is called.
#include <string>

#include "tests/service_fuzz/fuzzed_calls.h"
#include "tests/service_fuzz/message_mutator.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* bytes, size_t size, size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  kprune::MakeCall(KPRUNE_FUZZED_NAME, bytes, size);
  return 0;
}

// Of ten inputs one is changed as bytes, the others as the messages that they are.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* bytes, size_t size, size_t max_size, unsigned seed) {
  if (seed % 10 == 0) return LLVMFuzzerMutate(bytes, size, max_size);
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const std::string changed =
      kprune::MutateRequest(kprune::MethodNamed(KPRUNE_FUZZED_NAME), text, seed, LLVMFuzzerMutate);
  if (changed.size() > max_size) return LLVMFuzzerMutate(bytes, size, max_size);
  changed.copy(reinterpret_cast<char*>(bytes), changed.size());
  return changed.size();
}
