#include "server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/jobs/job_manager.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

ParsedFlags Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "kprune-server");
  return ParseFlags(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Flags, Examples) {
  const ParsedFlags defaults = Parse({});
  ASSERT_FALSE(defaults.exit_status);
  EXPECT_EQ(defaults.flags.listen, "127.0.0.1:8470");
  EXPECT_EQ(defaults.flags.metrics_listen, "127.0.0.1:9470");
  EXPECT_EQ(defaults.flags.data_dir, DefaultDataDir());
  EXPECT_EQ(defaults.flags.worker.filename(), "kprune-worker");
  EXPECT_EQ(defaults.flags.devices, "auto");
  EXPECT_EQ(defaults.flags.max_files, JobManagerOptions().max_files);
  EXPECT_EQ(absl::Seconds(defaults.flags.preflight_seconds), PreflightOptions().time_limit);

  const ParsedFlags given = Parse({"--listen", "0.0.0.0:1", "--data-dir", "/d", "--max-queued-jobs", "7"});
  ASSERT_FALSE(given.exit_status);
  EXPECT_EQ(given.flags.listen, "0.0.0.0:1");
  EXPECT_EQ(given.flags.data_dir, "/d");
  EXPECT_EQ(given.flags.max_queued_jobs, 7);
}

TEST(Flags, EveryFlagHasAVariableThatTheFlagOverrides) {
  ::setenv("KPRUNE_DATA_DIR", "/from/environment", 1);
  ::setenv("KPRUNE_DRAIN_SECONDS", "60", 1);
  EXPECT_EQ(Parse({}).flags.data_dir, "/from/environment");
  EXPECT_EQ(Parse({}).flags.drain_seconds, 60);
  EXPECT_EQ(Parse({"--data-dir", "/given"}).flags.data_dir, "/given");
  ::unsetenv("KPRUNE_DATA_DIR");
  ::unsetenv("KPRUNE_DRAIN_SECONDS");
}

TEST(Flags, OfAFlagGivenTwiceTheLastCounts) {
  const ParsedFlags parsed = Parse({"--data-dir", "/wrapper", "--data-dir", "/user"});
  ASSERT_FALSE(parsed.exit_status);
  EXPECT_EQ(parsed.flags.data_dir, "/user");
}

TEST(Flags, HelpShowsEachFlagWithItsVariable) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(Parse({"--help"}).exit_status, 0);
  const std::string help = ::testing::internal::GetCapturedStdout();
  for (const char* flag : {"listen",
                           "port-file",
                           "metrics-listen",
                           "metrics-port-file",
                           "data-dir",
                           "worker",
                           "devices",
                           "onnxruntime",
                           "signing-key",
                           "max-queued-jobs",
                           "max-artifact-bytes",
                           "max-files",
                           "preflight-seconds",
                           "disk-low-bytes",
                           "keep-uploads-seconds",
                           "keep-finished-seconds",
                           "stream-stall-seconds",
                           "worker-silence-seconds",
                           "worker-seconds",
                           "worker-memory-bytes",
                           "worker-scratch-bytes",
                           "cancel-grace-seconds",
                           "drain-seconds",
                           "model-source-allow",
                           "model-source-networks",
                           "model-source-tokens-file",
                           "model-source-ca-file",
                           "hub-mirror",
                           "s3-endpoint",
                           "s3-region",
                           "s3-credentials-file",
                           "max-model-bytes",
                           "model-fetch-seconds",
                           "model-fetch-stall-seconds",
                           "access-file",
                           "audit-log",
                           "tls-cert",
                           "tls-key",
                           "tls-client-ca",
                           "tls-client-auth",
                           "reflection",
                           "insecure"}) {
    std::string variable = "KPRUNE_";
    for (const char* c = flag; *c != '\0'; ++c)
      variable += *c == '-' ? '_' : static_cast<char>(std::toupper(*c));
    EXPECT_THAT(help, HasSubstr("--" + std::string(flag)));
    EXPECT_THAT(help, HasSubstr(variable));
  }
}

TEST(Flags, UsageErrorsExitWithThree) {
  for (const std::vector<const char*>& bad :
       std::vector<std::vector<const char*>>{{"--unknown"},
                                             {"extra"},
                                             {"--max-queued-jobs", "0"},
                                             {"--max-artifact-bytes", "-1"},
                                             {"--max-files", "0"},
                                             {"--max-files", "801"},
                                             {"--preflight-seconds", "0"},
                                             {"--max-queued-jobs", "many"},
                                             {"--onnxruntime", "/no/such/library.so"},
                                             {"--signing-key", "/no/such/key.pem"},
                                             {"--drain-seconds", "0"},
                                             {"--drain-seconds", "inf"},
                                             {"--drain-seconds", "nan"},
                                             {"--cancel-grace-seconds", "nan"},
                                             {"--cancel-grace-seconds", "30", "--drain-seconds", "30"}}) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(Parse(bad).exit_status, 3) << bad[0];
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr(bad[0]));
  }
}

TEST(Flags, TheDataFolderFollowsTheUsersOwn) {
  if (::geteuid() == 0) {
    EXPECT_EQ(DefaultDataDir(), "/var/lib/kprune");
    return;
  }
  ::setenv("XDG_DATA_HOME", "/xdg", 1);
  EXPECT_EQ(DefaultDataDir(), "/xdg/kprune");
  ::unsetenv("XDG_DATA_HOME");
  ::setenv("HOME", "/home/somebody", 1);
  EXPECT_EQ(DefaultDataDir(), "/home/somebody/.local/share/kprune");
}

}  // namespace
}  // namespace kprune
