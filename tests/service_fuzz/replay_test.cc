// Every file of the corpora is sent again, and so are changed ones: fuzzing for a second.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/fuzz/corpus.h"
#include "tests/service_fuzz/fuzzed_calls.h"
#include "tests/service_fuzz/fuzzed_workers.h"
#include "tests/service_fuzz/message_mutator.h"

namespace kprune {
namespace {

// Some bytes changed, or one more or less: what libFuzzer does, in its simplest form.
size_t ChangeBytes(uint8_t* bytes, size_t size, size_t max_size) {
  static std::mt19937 random(7);
  size_t end = std::min(max_size, size + random() % 3);
  if (end > 0 && random() % 4 == 0) --end;
  for (size_t i = size; i < end; ++i) bytes[i] = static_cast<uint8_t>(random());
  if (end > 0) bytes[random() % end] = static_cast<uint8_t>(random());
  return end;
}

TEST(ReplayTest, NoCallCrashesTheServer) {
  const int files = ReplayCorpus("call_corpus", [](const std::string& method, const std::string& bytes) {
    MakeCall(method, BytesOf(bytes), bytes.size());
    for (unsigned seed = 0; seed < 10; ++seed) {
      const std::string changed = MutateRequest(MethodNamed(method), bytes, seed, ChangeBytes);
      MakeCall(method, BytesOf(changed), changed.size());
    }
  });
  EXPECT_GE(files, 30);
}

TEST(ReplayTest, NoWorkerCrashesTheServer) {
  const int files = ReplayCorpus("worker_corpus", [](const std::string& name, const std::string& bytes) {
    for (size_t cut = 0; cut < 8 && cut <= bytes.size(); ++cut)
      TakeFromWorker(name, BytesOf(bytes), bytes.size() - cut);
  });
  EXPECT_GE(files, 20);
}

}  // namespace
}  // namespace kprune
