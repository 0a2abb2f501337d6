// A fixture for tests that write model folders and open them again.
#ifndef KPRUNE_TESTS_ENGINE_MODEL_WRITTEN_FOLDERS_H_
#define KPRUNE_TESTS_ENGINE_MODEL_WRITTEN_FOLDERS_H_

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"
#include "tests/support/process.h"

namespace kprune {

class WrittenFolders : public ::testing::Test {
 protected:
  // WriteModelFolder or WriteDenseFolder.
  using Writer = absl::Status (*)(const ModelFolder&, const Encoder&, const std::string&);

  explicit WrittenFolders(Writer writer) : writer_(writer) {}

  std::filesystem::path NewFolder() {
    const std::filesystem::path path = folders_ / ("written" + std::to_string(++count_));
    std::filesystem::create_directory(path);
    return path;
  }

  ModelFolder Tiny(const testing::TinyModel& model) {
    testing::WriteTinyModel(folders_ / "model", model);
    return Opened(folders_ / "model");
  }

  // Writes `encoder` and opens what was written.
  ModelFolder Written(const ModelFolder& original, const Encoder& encoder) {
    const std::filesystem::path path = NewFolder();
    const absl::Status status = writer_(original, encoder, path.string());
    EXPECT_TRUE(status.ok()) << status;
    return Opened(path);
  }

  const testing::TemporaryFolder folders_;

 private:
  const Writer writer_;
  int count_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_ENGINE_MODEL_WRITTEN_FOLDERS_H_
