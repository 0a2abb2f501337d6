// One target for every file and kind of text: KPRUNE_FUZZED_NAME says which.
#include "tests/fuzz/fuzzed_tokenizers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  kprune::ReadAsTokenizer(KPRUNE_FUZZED_NAME, bytes, size);
  return 0;
}
