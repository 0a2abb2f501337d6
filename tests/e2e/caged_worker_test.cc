// A job gives the same bytes in the cage and without it; the worker of a server is caged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using ::testing::HasSubstr;

class CagedWorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const TinyModel model = {.task = "text-classification"};
    WriteTinyModel(folder_ / "model", model);
    WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  }

  // The weights of the model that `kprune COMMAND` makes; empty where it fails.
  std::string Prune(Service& service, const std::string& command, const std::string& output) {
    const Finished done = service.Client({command, folder_ / "model", "--data", folder_ / "samples.jsonl",
                                          "--keep-flops", "0.4", "--output", folder_ / output});
    EXPECT_EQ(done.status, 0) << done.errors;
    return ReadFile(folder_ / output / "model.safetensors");
  }

  TemporaryFolder folder_;
};

TEST_F(CagedWorkerTest, Examples) {
  Service local(KPRUNE_BIN_DIR, folder_.path());
  setenv("KPRUNE_WORKER_CAGE", "off", 1);
  const std::string free = Prune(local, "run", "free");
  setenv("KPRUNE_WORKER_CAGE", "require", 1);
  const std::string caged = Prune(local, "run", "caged");
  unsetenv("KPRUNE_WORKER_CAGE");
  EXPECT_FALSE(free.empty());
  EXPECT_TRUE(free == caged);
  Service service(KPRUNE_BIN_DIR, folder_.path(), {"--worker-cage", "require"});
  service.Start();
  EXPECT_TRUE(free == Prune(service, "submit", "submitted")) << service.Log();
}

TEST_F(CagedWorkerTest, SaysWhyItRefusesAJobInACageToo) {
  WriteFile(folder_ / "model" / "config.json", "{");
  Service service(KPRUNE_BIN_DIR, folder_.path(), {"--worker-cage", "require"});
  service.Start();
  const Finished refused = service.Client(
      {"submit", folder_ / "model", "--data", folder_ / "samples.jsonl", "--output", folder_ / "never"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, HasSubstr("config.json"));
}

}  // namespace
}  // namespace kprune::testing
