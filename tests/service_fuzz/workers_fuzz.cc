// One target for everything a worker sends: KPRUNE_FUZZED_NAME says what.
#include "tests/service_fuzz/fuzzed_workers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  kprune::TakeFromWorker(KPRUNE_FUZZED_NAME, bytes, size);
  return 0;
}
