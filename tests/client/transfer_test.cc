// Uploads and downloads against a server whose connections break.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "client/connection.h"
#include "client/downloader.h"
#include "client/interrupt.h"
#include "client/manifest.h"
#include "client/transfer_display.h"
#include "client/uploader.h"
#include "tests/client/fake_server.h"
#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMiB = 1 << 20;

class TransferTest : public ::testing::Test {
 protected:
  FileToUpload Upload(const std::string& name, const std::string& bytes) {
    NamedFile file{name, folder_.Write(name, bytes), static_cast<int64_t>(bytes.size())};
    return {Describe(file).value(), file.path};
  }

  kprune::v1::File Stored(const std::string& name, const std::string& bytes) {
    kprune::v1::File file;
    file.set_name(name);
    file.set_sha256(server_.artifacts.Store(bytes));
    file.set_size(static_cast<int64_t>(bytes.size()));
    return file;
  }

  // 2.5 chunks of changing bytes.
  static std::string Large() {
    std::string bytes(kMiB * 5 / 2, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
    return bytes;
  }

  FakeServer server_;
  Interrupt interrupt_;
  Connection connection_{server_.address, interrupt_};
  ScratchFolder folder_;
  std::ostringstream text_;
  TransferDisplay display_{"upload", ProgressMode::kPlain, Screen(), text_, absl::Now};
  BackoffOptions backoff_{
      .first = absl::Milliseconds(1), .longest = absl::Milliseconds(5), .give_up = absl::Seconds(5)};
  Uploader uploader_{connection_, display_, backoff_};
  Downloader downloader_{connection_, display_, backoff_};
};

TEST_F(TransferTest, Examples) {
  const std::string bytes = Large();
  const FileToUpload file = Upload("model.safetensors", bytes);
  ASSERT_TRUE(uploader_.UploadMissing({file}).ok());
  EXPECT_EQ(server_.artifacts.stored.at(file.entry.sha256()), bytes);
  ASSERT_TRUE(downloader_.DownloadAll({file.entry}, folder_ / "result").ok());
  EXPECT_EQ(folder_.Read("result/model.safetensors"), bytes);
}

TEST_F(TransferTest, WhatTheServerHasIsNotSentAgain) {
  server_.artifacts.Store("same");
  ASSERT_TRUE(uploader_.UploadMissing({Upload("config.json", "same"), Upload("vocab.txt", "new")}).ok());
  EXPECT_THAT(server_.artifacts.upload_offsets, ElementsAre(0));
  EXPECT_THAT(text_.str(), HasSubstr("1 file is already on the server\n"));
  EXPECT_THAT(text_.str(), HasSubstr("uploaded vocab.txt (3 B, "));
}

TEST_F(TransferTest, EqualFilesAreSentOnce) {
  ASSERT_TRUE(uploader_.UploadMissing({Upload("a.jsonl", "same"), Upload("b.jsonl", "same")}).ok());
  EXPECT_EQ(server_.artifacts.upload_offsets.size(), 1u);
}

TEST_F(TransferTest, ABrokenUploadGoesOnFromTheCommittedSize) {
  server_.artifacts.breaks = 2;
  const FileToUpload file = Upload("model.safetensors", Large());
  ASSERT_TRUE(uploader_.UploadMissing({file}).ok());
  EXPECT_THAT(server_.artifacts.upload_offsets, ElementsAre(0, kMiB, 2 * kMiB));
  EXPECT_EQ(server_.artifacts.stored.count(file.entry.sha256()), 1u);
}

TEST_F(TransferTest, WhatGetsOnIsNotGivenUpHoweverOftenItBreaks) {
  // Two waits without a byte in between would be too many.
  const BackoffOptions impatient{.first = absl::Milliseconds(20),
                                 .longest = absl::Milliseconds(20),
                                 .jitter = 0,
                                 .give_up = absl::Milliseconds(30)};
  std::string bytes;
  for (char c = 'a'; c < 'i'; ++c) bytes += std::string(kMiB, c);
  server_.artifacts.breaks = 6;
  const FileToUpload file = Upload("model.safetensors", bytes);
  EXPECT_EQ(Uploader(connection_, display_, impatient).UploadMissing({file}), absl::OkStatus());
  EXPECT_EQ(server_.artifacts.upload_offsets.size(), 7u);
  server_.artifacts.breaks = 6;
  EXPECT_EQ(Downloader(connection_, display_, impatient).DownloadAll({file.entry}, folder_ / "result"),
            absl::OkStatus());
  EXPECT_EQ(server_.artifacts.download_offsets.size(), 7u);
}

TEST_F(TransferTest, AFileThatChangedWhileItWasSentIsRefused) {
  const FileToUpload file = Upload("data.jsonl", "long enough");
  folder_.Write("data.jsonl", "short");
  const absl::Status status = uploader_.UploadMissing({file});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("became shorter while it was sent"));
}

TEST_F(TransferTest, ABrokenDownloadGoesOnFromWhatCame) {
  const std::string bytes = Large();
  server_.artifacts.breaks = 2;
  ASSERT_TRUE(downloader_.DownloadAll({Stored("model.safetensors", bytes)}, folder_.path()).ok());
  EXPECT_EQ(server_.artifacts.download_offsets.size(), 3u);
  EXPECT_EQ(server_.artifacts.download_offsets.front(), 0);
  EXPECT_GT(server_.artifacts.download_offsets.back(), 0);
  EXPECT_EQ(folder_.Read("model.safetensors"), bytes);
}

TEST_F(TransferTest, APieceOfAnEarlierRunIsContinued) {
  const std::string bytes = Large();
  folder_.Write("model.safetensors.part", bytes.substr(0, 1000));
  ASSERT_TRUE(downloader_.DownloadAll({Stored("model.safetensors", bytes)}, folder_.path()).ok());
  EXPECT_THAT(server_.artifacts.download_offsets, ElementsAre(1000));
  EXPECT_THAT(folder_.List(), ElementsAre("model.safetensors"));
}

TEST_F(TransferTest, AFinishedFileIsNotFetchedAgainAndADamagedOneIs) {
  folder_.Write("config.json", "right");
  folder_.Write("vocab.txt", "wrong");
  ASSERT_TRUE(
      downloader_.DownloadAll({Stored("config.json", "right"), Stored("vocab.txt", "words")}, folder_.path())
          .ok());
  EXPECT_EQ(server_.artifacts.download_offsets.size(), 1u);
  EXPECT_EQ(folder_.Read("vocab.txt"), "words");
}

TEST_F(TransferTest, BytesWithAnotherDigestAreRemovedAndNamed) {
  server_.artifacts.corruptions = 1;
  const auto file = Stored("config.json", "right");
  const absl::Status status = downloader_.DownloadAll({file}, folder_.path());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("config.json arrived with another SHA-256"));
  EXPECT_THAT(folder_.List(), IsEmpty());
  EXPECT_TRUE(downloader_.DownloadAll({file}, folder_.path()).ok());
}

TEST_F(TransferTest, ANameThatNoResultHasIsNeverAPath) {
  for (const char* name : {"../outside", "/etc/passwd", "a/b/config.json", "run.sh"}) {
    EXPECT_EQ(downloader_.DownloadAll({Stored(name, "x")}, folder_ / "inner").code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
  EXPECT_THAT(folder_.List(), IsEmpty());
}

TEST_F(TransferTest, AnInterruptEndsTheWaitingForABrokenConnection) {
  server_.artifacts.breaks = 1 << 20;
  interrupt_.Raise();
  EXPECT_EQ(downloader_.DownloadAll({Stored("config.json", "right")}, folder_.path()).code(),
            absl::StatusCode::kCancelled);
}

TEST(TransferDisplayTest, TheBarShowsShareRateAndTimeLeft) {
  std::ostringstream text;
  absl::Time now = absl::UnixEpoch();
  TransferDisplay display("upload", ProgressMode::kBar, {.is_terminal = true, .columns = 120}, text,
                          [&] { return now; });
  display.Begin("model.safetensors", 0, 4 * kMiB);
  now += absl::Seconds(2);
  display.Advance(1 * kMiB);
  EXPECT_THAT(text.str(), HasSubstr("upload model.safetensors [######..................]  25.0 %  1.0 MiB of "
                                    "4.0 MiB  512.0 KiB/s  6.00 s left"));
}

}  // namespace
}  // namespace kprune::client
