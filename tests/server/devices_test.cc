#include "server/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kLimit = absl::Seconds(60);

std::vector<std::string> Ids(const std::vector<Device>& devices) {
  std::vector<std::string> ids;
  for (const Device& device : devices) ids.push_back(device.id);
  return ids;
}

class DevicesTest : public ::testing::Test {
 protected:
  fs::path Script(const std::string& body) {
    const fs::path path = directory_.path() / "worker";
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }

  TempDirectory directory_;
};

TEST_F(DevicesTest, ExamplesTheWorkerNamesTheDevicesAndTheOperatorChooses) {
  const std::vector<Device> found = ProbeDevices(fs::path(KPRUNE_BIN_DIR) / "fake_worker", kLimit).value();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].id, "cpu");
  EXPECT_EQ(found[0].name, "fake processor");
  EXPECT_EQ(found[0].memory_bytes, 1073741824);
  EXPECT_THAT(Ids(ChooseDevices(found, "auto").value()), ElementsAre("cpu"));
}

TEST_F(DevicesTest, AutoMeansTheGpusWhereThereAreSome) {
  const std::vector<Device> found = {{"cpu", "", 1}, {"cuda:0", "", 1}, {"cuda:1", "", 1}};
  EXPECT_THAT(Ids(ChooseDevices(found, "auto").value()), ElementsAre("cuda:0", "cuda:1"));
  EXPECT_THAT(Ids(ChooseDevices(found, "cuda:1,cpu").value()), ElementsAre("cuda:1", "cpu"));
}

TEST_F(DevicesTest, DevicesThatAreNotThereAreRefusedWithThoseThatAre) {
  const std::vector<Device> found = {{"cpu", "", 1}, {"cuda:0", "", 1}};
  for (const char* choice : {"cuda:1", "", "cpu,", "gpu", "cpu cuda:0"}) {
    const absl::Status status = ChooseDevices(found, choice).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << choice;
    EXPECT_THAT(std::string(status.message()), HasSubstr("it has cpu, cuda:0"));
  }
  EXPECT_THAT(ChooseDevices(found, "cpu,cpu").status().ToString(), HasSubstr("twice"));
}

TEST_F(DevicesTest, AMissingWorkerIsNamed) {
  const absl::Status status = ProbeDevices(directory_.path() / "kprune-worker", kLimit).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr((directory_.path() / "kprune-worker").string()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--worker"));
}

TEST_F(DevicesTest, AProbeThatFailsOrPrintsSomethingElseIsRefused) {
  for (const char* body :
       {"exit 1", "echo '[]'", "echo '{\"id\": 1}'", "echo '[{\"id\": \"cpu\", \"name\": \"x\"}]'",
        "echo '[{\"id\": \"cpu\", \"name\": 3, \"memory_bytes\": 1}]'", "kill -9 $$", "echo hello"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(ProbeDevices(Script(body), kLimit).status())) << body;
  }
}

TEST_F(DevicesTest, AProbeThatNeverAnswersIsEnded) {
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(ProbeDevices(Script("exec sleep 1000"), absl::Milliseconds(50)).status()));
}

}  // namespace
}  // namespace kprune
