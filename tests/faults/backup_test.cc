// A back-up that is made as docs/operations.md says, while jobs wait, run and end, is a whole service: the
// database of a server that is stopped for a moment, and then the files, while it runs again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    WriteFile(folder_ / "samples.jsonl", R"({"text": "a sentence"})");
    fs::create_directories(backup_);
    service_.Start();
  }

  // The name of a job whose stand-in for a worker waits for the file `gate` before its last sublayer.
  std::string Submit(const std::string& gate) {
    const fs::path model = folder_ / ("model-of-" + gate);
    fs::create_directories(model);
    WriteFile(model / "config.json", R"({"model_type": "bert", "fake": {"wait_at": 3, "wait_for": ")" +
                                         (folder_ / gate).string() + R"("}})");
    WriteFile(model / "model.safetensors", "not looked at by the stand-in");
    const Finished submitted =
        service_.Client({"submit", model, "--data", folder_ / "samples.jsonl", "--no-wait"});
    EXPECT_EQ(submitted.status, 0) << submitted.errors;
    return submitted.output.substr(0, submitted.output.find('\n'));
  }

  static bool IsIn(Service& service, const std::string& job, const std::string& state) {
    return service.Client({"get", job}).output.find(state) != std::string::npos;
  }

  // The weights of the job's result.
  std::string Fetch(Service& service, const std::string& job, const std::string& to) {
    const Finished fetched = service.Client({"fetch", job, "--output", folder_ / to});
    EXPECT_EQ(fetched.status, 0) << fetched.errors;
    return ReadFile(folder_ / to / "model.safetensors");
  }

  void CopyDatabase() {
    for (const auto& entry : fs::directory_iterator(folder_ / "data")) {
      if (entry.path().filename().string().starts_with("jobs.db"))
        fs::copy(entry.path(), backup_ / entry.path().filename());
    }
  }

  const TemporaryFolder folder_, restored_folder_;
  const fs::path backup_ = restored_folder_ / "data";
  const std::vector<std::string> flags_ = {"--worker", fs::path(KPRUNE_BIN_DIR) / "fake_worker"};
  Service service_{KPRUNE_BIN_DIR, folder_.path(), flags_};
};

TEST_F(BackupTest, OfAWorkingServiceIsAWholeService) {
  WriteFile(folder_ / "first", "");
  const std::string ended = Submit("first");
  ASSERT_TRUE(Eventually([&] { return IsIn(service_, ended, "succeeded"); }));
  const std::string weights = Fetch(service_, ended, "before");
  const std::string running = Submit("second"), waiting = Submit("third");
  ASSERT_TRUE(Eventually([&] { return IsIn(service_, running, "running"); }));

  ASSERT_EQ(service_.Drain(), 0) << service_.Log();
  CopyDatabase();
  service_.Start();
  // Life goes on before the files are copied: the job that ran ends, and another one comes.
  WriteFile(folder_ / "second", "");
  ASSERT_TRUE(Eventually([&] { return IsIn(service_, running, "succeeded"); }));
  const std::string later = Submit("fourth");
  fs::copy(folder_ / "data/artifacts", backup_ / "artifacts", fs::copy_options::recursive);
  service_.Crash();
  fs::remove_all(folder_ / "data");

  Service restored(KPRUNE_BIN_DIR, restored_folder_.path(), flags_);
  restored.Start();
  WriteFile(folder_ / "third", "");
  EXPECT_EQ(Fetch(restored, ended, "after"), weights);
  for (const std::string& job : {running, waiting}) {
    EXPECT_TRUE(Eventually([&] { return IsIn(restored, job, "succeeded"); })) << restored.Log();
    Fetch(restored, job, "after-" + job.substr(job.find('/') + 1));
  }
  EXPECT_THAT(restored.Client({"get", later}).errors, HasSubstr("no job"))
      << "it came after the database's copy";
}

}  // namespace
}  // namespace kprune::testing
