// One target for every format: KPRUNE_FUZZED_NAME is what the file is called.
#include "tests/fuzz/fuzzed_samples.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  kprune::ReadAsSamples(KPRUNE_FUZZED_NAME, bytes, size);
  return 0;
}
