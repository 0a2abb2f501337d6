// An upload over a network that cuts it again and again.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
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
#include "tests/faults/cutting_proxy.h"
#include "tests/faults/job_caller.h"
#include "tests/faults/length.h"
#include "tests/support/artifact_encryption.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMiB = 1 << 20;

// The parameter says whether the server encrypts what it stores.
class CutUploadsTest : public ::testing::TestWithParam<bool> {
 protected:
  // A file of bytes that nothing can shorten.
  client::FileToUpload WriteRandomFile(int64_t size_bytes) {
    std::mt19937_64 random(3);
    std::ofstream file(folder_ / "model.safetensors", std::ios::binary);
    std::string block(kMiB, '\0');
    for (int64_t left = size_bytes; left > 0; left -= kMiB) {
      for (size_t at = 0; at < block.size(); at += sizeof(uint64_t)) {
        const uint64_t word = random();
        block.replace(at, sizeof word, reinterpret_cast<const char*>(&word), sizeof word);
      }
      file.write(block.data(), static_cast<std::streamsize>(std::min(left, kMiB)));
    }
    file.close();
    // Else the disk would be busy with it while others are measured.
    const int fd = open((folder_ / "model.safetensors").c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(fsync(fd), 0);
    close(fd);
    const client::NamedFile named{"model.safetensors", folder_ / "model.safetensors", size_bytes};
    return {client::Describe(named).value(), named.path};
  }

  // MiB a second of one writer that syncs as often as an upload commits.
  double RateOfDisk(int64_t size_bytes) {
    const std::string block(kMiB, 'x');
    const absl::Time start = absl::Now();
    const int fd = open((folder_ / "plain").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int64_t left = size_bytes; left > 0; left -= kMiB) {
      EXPECT_EQ(write(fd, block.data(), block.size()), static_cast<ssize_t>(block.size()));
      const bool syncs = left % (32 * kMiB) == 0;
      EXPECT_EQ(syncs ? fsync(fd) : 0, 0);
    }
    EXPECT_EQ(fsync(fd), 0);
    close(fd);
    return static_cast<double>(size_bytes) / kMiB / absl::ToDoubleSeconds(absl::Now() - start);
  }

  std::vector<std::string> Flags() {
    std::vector<std::string> flags = {"--worker", fs::path(KPRUNE_BIN_DIR) / "fake_worker"};
    if (!GetParam()) return flags;
    WriteFile(folder_ / "keys", KeyLine('1'));
    flags.insert(flags.end(), {"--encryption-key-file", folder_ / "keys"});
    return flags;
  }

  const TemporaryFolder folder_;
  Service service_{KPRUNE_BIN_DIR, folder_.path(), Flags()};
};

INSTANTIATE_TEST_SUITE_P(Forms, CutUploadsTest, ::testing::Bool(),
                         [](const auto& info) { return std::string(info.param ? "Encrypted" : "Plain"); });

TEST_P(CutUploadsTest, AnUploadThatIsCutAgainAndAgainArrivesAndSendsLittleTwice) {
  const int64_t size = ShortOrLong(64, 1024) * kMiB;
  const int cuts = ShortOrLong(12, 200);
  service_.Start();
  const client::FileToUpload file = WriteRandomFile(size);
  std::mt19937 random(11);
  int left = cuts;
  // On average so that all cuts come before the last byte.
  const int64_t longest = 3 * size / cuts / 2;
  CuttingProxy proxy(service_.address(),
                     [&] { return left-- > 0 ? static_cast<int64_t>(random()) % longest : -1; });

  client::Interrupt interrupt;
  const client::Connection connection(proxy.address(), interrupt);
  std::ostringstream text;
  client::TransferDisplay display("upload", client::ProgressMode::kNone, client::Screen(), text, absl::Now);
  client::BackoffOptions backoff;
  backoff.first = absl::Milliseconds(1);
  backoff.longest = absl::Milliseconds(50);
  // Far less than all waits together: what arrives counts as a success. The server reads what it has before
  // it takes more, and turns other tries away meanwhile.
  backoff.give_up = absl::Seconds(30);
  const absl::Time start = absl::Now();
  const absl::Status uploaded = client::Uploader(connection, display, backoff).UploadMissing({file});
  ASSERT_TRUE(uploaded.ok()) << uploaded << service_.Log();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);

  EXPECT_GT(proxy.cuts(), cuts / 2);
  const client::Connection uncut(service_.address(), interrupt);
  ASSERT_TRUE(client::Downloader(uncut, display, backoff).DownloadAll({file.entry}, folder_ / "back").ok());
  const client::NamedFile back{"model.safetensors", folder_ / "back" / "model.safetensors", size};
  EXPECT_EQ(client::Describe(back)->sha256(), file.entry.sha256());
  const double sent_twice = static_cast<double>(proxy.sent_bytes() - size) / kMiB;
  std::printf("%lld MiB cut %d times: %.1f MiB sent twice, %.2f MiB a cut, %.1f s\n",
              static_cast<long long>(size / kMiB), proxy.cuts(), sent_twice, sent_twice / proxy.cuts(),
              seconds);
  // What crosses the wire beside the bytes themselves is a hundredth of them at most.
  EXPECT_LE(sent_twice, proxy.cuts() + 0.01 * static_cast<double>(size) / kMiB);
}

// Prints the rates between those of the same disk, which may change: many a rented one is fast for a while
// only.
TEST_P(CutUploadsTest, AnUploadThatIsNotCutArrivesAndComesBack) {
  const int64_t size = ShortOrLong(64, 1024) * kMiB;
  service_.Start();
  const client::FileToUpload file = WriteRandomFile(size);
  const double mib = static_cast<double>(size) / kMiB;

  const double before = RateOfDisk(size);
  client::Interrupt interrupt;
  const client::Connection connection(service_.address(), interrupt);
  std::ostringstream text;
  client::TransferDisplay display("upload", client::ProgressMode::kNone, client::Screen(), text, absl::Now);
  const absl::Time start = absl::Now();
  const absl::Status uploaded =
      client::Uploader(connection, display, client::BackoffOptions()).UploadMissing({file});
  ASSERT_TRUE(uploaded.ok()) << uploaded;
  const absl::Time stored = absl::Now();
  const absl::Status downloaded = client::Downloader(connection, display, client::BackoffOptions())
                                      .DownloadAll({file.entry}, folder_ / "back");
  ASSERT_TRUE(downloaded.ok()) << downloaded;
  const absl::Time fetched = absl::Now();
  std::printf(
      "%.0f MiB with SHA-256 and fsync: upload %.0f MiB/s, download %.0f MiB/s; written and synced alone "
      "%.0f before, %.0f after\n",
      mib, mib / absl::ToDoubleSeconds(stored - start), mib / absl::ToDoubleSeconds(fetched - stored), before,
      RateOfDisk(size));
}

}  // namespace
}  // namespace kprune::testing
