// A job on a server that encrypts what it stores: the same result, and nothing in the clear once it is over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/artifact_encryption.h"
#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class EncryptedArtifactsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const TinyModel model = {.task = "text-classification"};
    WriteTinyModel(folder_ / "model", model);
    WriteTinySentences(folder_ / "samples.jsonl", 100, model);
    WriteFile(folder_ / "keys", KeyLine('1'));
  }

  std::vector<std::string> Flags() const {
    return {"--encryption-key-file", folder_ / "keys", "--work-dir", folder_ / "work"};
  }

  // The weights of the model that `kprune COMMAND` makes.
  std::string Prune(Service& service, const std::string& command, const std::string& output) {
    const Finished done = service.Client({command, folder_ / "model", "--data", folder_ / "samples.jsonl",
                                          "--keep-flops", "0.4", "--output", folder_ / output});
    EXPECT_EQ(done.status, 0) << done.errors;
    return ReadFile(folder_ / output / "model.safetensors");
  }

  // The files below the folder that hold these bytes; all, where there are none.
  std::vector<std::string> FilesWith(const fs::path& below, const std::string& bytes) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(below)) {
      if (entry.is_regular_file() && ReadFile(entry.path()).find(bytes) != std::string::npos)
        found.push_back(entry.path());
    }
    return found;
  }

  TemporaryFolder folder_;
};

TEST_F(EncryptedArtifactsTest, ExamplesAJobHasItsResultAndItsFilesAreUnreadableOnTheDisk) {
  Service service(KPRUNE_BIN_DIR, folder_.path(), Flags());
  service.Start();
  const std::string weights = Prune(service, "submit", "submitted");
  EXPECT_EQ(service.Drain(), 0);
  Service local(KPRUNE_BIN_DIR, folder_.path());
  EXPECT_TRUE(weights == Prune(local, "run", "run")) << "not the bytes of a job without a server";

  const std::string text = ReadFile(folder_ / "samples.jsonl").substr(0, 40);
  const std::string uploaded = ReadFile(folder_ / "model" / "model.safetensors");
  for (const std::string& secret :
       {text, weights.substr(weights.size() / 2, 32), uploaded.substr(uploaded.size() / 2, 32)}) {
    EXPECT_THAT(FilesWith(folder_ / "submitted", secret).size() +
                    FilesWith(folder_ / "model", secret).size() + FilesWith(folder_.path(), secret).size(),
                ::testing::Gt(0u))
        << "it is something to look for";
    EXPECT_THAT(FilesWith(folder_ / "data", secret), IsEmpty());
    EXPECT_THAT(FilesWith(folder_ / "work", secret), IsEmpty());
  }
  for (const std::string& object : FilesWith(folder_ / "data" / "artifacts" / "objects", ""))
    EXPECT_EQ(fs::path(object).extension(), ".sealed") << object;
}

TEST_F(EncryptedArtifactsTest, AServerWithoutTheKeySaysSoAndWithItGoesOn) {
  Service service(KPRUNE_BIN_DIR, folder_.path(), Flags());
  service.Start();
  Prune(service, "submit", "submitted");
  EXPECT_EQ(service.Drain(), 0);
  Service without(KPRUNE_BIN_DIR, folder_.path());
  EXPECT_THROW(without.Start(), std::runtime_error);
  EXPECT_THAT(without.Log(), HasSubstr("give --encryption-key-file with the file that holds it."));
  service.Start();
  const Finished listed = service.Client({"list"});
  EXPECT_EQ(listed.status, 0) << listed.errors;
  EXPECT_THAT(listed.output, HasSubstr("succeeded"));
}

TEST_F(EncryptedArtifactsTest, WhatAServerWithoutEncryptionStoredIsEncryptedByTheNext) {
  Service plain(KPRUNE_BIN_DIR, folder_.path());
  plain.Start();
  Prune(plain, "submit", "submitted");
  EXPECT_EQ(plain.Drain(), 0);
  const std::string text = ReadFile(folder_ / "samples.jsonl").substr(0, 40);
  ASSERT_THAT(FilesWith(folder_ / "data", text), Not(IsEmpty()));
  Service service(KPRUNE_BIN_DIR, folder_.path(), Flags());
  service.Start();
  EXPECT_TRUE(Eventually([&] { return FilesWith(folder_ / "data", text).empty(); })) << service.Log();
  EXPECT_THAT(service.Client({"list"}).output, HasSubstr("succeeded"));
}

}  // namespace
}  // namespace kprune::testing
