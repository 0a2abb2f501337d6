// What operators run: the container's recipe, the manifests, the units and the compose file, each read by the
// very tools that will read it (scripts/setup.sh fetches them) and held to the rest of the tree by the
// *_checks.py beside this file.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/process.h"

namespace kprune::testing {
namespace {

const std::filesystem::path kTools = KPRUNE_DEPLOY_TOOLS;

// The number of tests that ran, as unittest says it; 0 where it says nothing.
int TestsRun(const std::string& said) {
  const size_t at = said.find("\nRan ");
  return at == std::string::npos ? 0 : std::stoi(said.substr(at + 5));
}

// Runs all the tests of one file; fails with what they said, and skips where what they did not run is not
// known to be right.
void Check(const std::string& file, int least) {
  if (!std::filesystem::exists(kTools / "python"))
    GTEST_SKIP() << "there is no " << (kTools / "python") << "; scripts/setup.sh makes it";
  TemporaryFolder folder;
  const std::filesystem::path checks = std::filesystem::path(KPRUNE_SOURCE_DIR) / "tests/deploy" / file;
  Process python({kTools / "python", "-B", checks, "--verbose"}, folder / "python",
                 {{"KPRUNE_DEPLOY_TOOLS", kTools}, {"KPRUNE_PROGRAMS", KPRUNE_BIN_DIR}});
  ASSERT_EQ(python.Wait(), 0) << python.Errors();
  EXPECT_GE(TestsRun(python.Errors()), least) << python.Errors();
  if (python.Errors().find("skipped=") != std::string::npos) GTEST_SKIP() << python.Errors();
}

TEST(DeployTest, TheContainersRecipeIsCleanAndComplete) { Check("container_checks.py", 10); }

TEST(DeployTest, KubernetesTakesTheManifestsAndTheyFitTogether) { Check("kubernetes_checks.py", 50); }

TEST(DeployTest, SystemdTakesTheUnitsAndTheyAreClosed) { Check("systemd_checks.py", 8); }

TEST(DeployTest, DockerComposeTakesTheFileAndItIsClosed) { Check("compose_checks.py", 10); }

TEST(DeployTest, TheSecretsOfATrialFitWhatNamesThem) { Check("secrets_checks.py", 6); }

}  // namespace
}  // namespace kprune::testing
