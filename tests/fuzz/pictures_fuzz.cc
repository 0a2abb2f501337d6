// One target for every format of pictures: KPRUNE_FUZZED_NAME is what the file is called.
#include "tests/fuzz/fuzzed_pictures.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  kprune::ReadAsPicture(KPRUNE_FUZZED_NAME, bytes, size);
  return 0;
}
