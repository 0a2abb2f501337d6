// One target for every file of a model: KPRUNE_FUZZED_NAME is what the file is called.
#include "tests/fuzz/fuzzed_models.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  kprune::ReadAsModel(KPRUNE_FUZZED_NAME, bytes, size);
  return 0;
}
