#include "engine/pruning/hidden_states.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/model/compute_device.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::AllOf;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;

// Any 32 bits a value, NaNs and infinities included.
at::Tensor RandomBits(int64_t tokens, int64_t width) {
  constexpr int64_t kLeast = std::numeric_limits<int32_t>::min();
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  return at::randint(kLeast, kMost, {tokens, width}, at::kInt).view(at::kFloat);
}

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return at::equal(a.contiguous().view(at::kInt).cpu(), b.contiguous().view(at::kInt).cpu());
}

TEST(HiddenStatesTest, Examples) {
  const TempDirectory directory;
  auto states = HiddenStates::Create(3, 2, at::kCPU, Place::kFile, directory.path().string());
  ASSERT_TRUE(states.ok()) << states.status();
  const at::Tensor rows = at::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({2, 2});
  ASSERT_TRUE((*states)->Write(1, rows).ok());
  EXPECT_TRUE(at::equal((*states)->Read(1, 3).value(), rows));
  EXPECT_TRUE(at::equal((*states)->Read(2, 3).value(), rows.narrow(0, 1, 1)));
  EXPECT_EQ(place_name((*states)->place()), "file");
}

std::vector<at::Device> Devices() {
  std::vector<at::Device> devices = {at::kCPU};
  if (!testing::ComputeDevice().is_cpu()) devices.push_back(testing::ComputeDevice());
  return devices;
}

class EveryPlaceTest : public ::testing::TestWithParam<std::tuple<at::Device, Place>> {
 protected:
  std::unique_ptr<HiddenStates> Make(int64_t tokens, int64_t width) {
    const auto [device, place] = GetParam();
    auto states = HiddenStates::Create(tokens, width, device, place, directory_.path().string());
    if (!states.ok()) throw std::runtime_error(states.status().ToString());
    return *std::move(states);
  }
  at::Tensor OnDevice(const at::Tensor& rows) const { return rows.to(std::get<at::Device>(GetParam())); }

 private:
  const TempDirectory directory_;
};

TEST_P(EveryPlaceTest, GivesBackTheSameBitsInPiecesOfAnySize) {
  constexpr int64_t kTokens = 131;
  const at::Tensor rows = RandomBits(kTokens, 13);
  const auto states = Make(kTokens, 13);
  for (const int64_t written : {1, 7, 64, 131}) {
    const at::Tensor other = at::bitwise_xor(rows.view(at::kInt), written).view(at::kFloat);
    for (int64_t begin = 0; begin < kTokens; begin += written) {
      const int64_t end = std::min(begin + written, kTokens);
      ASSERT_TRUE(states->Write(begin, OnDevice(other.narrow(0, begin, end - begin))).ok());
    }
    for (const int64_t read : {131, 5, 64, 1}) {
      for (int64_t begin = 0; begin < kTokens; begin += read) {
        const int64_t end = std::min(begin + read, kTokens);
        const at::Tensor piece = states->Read(begin, end).value();
        ASSERT_EQ(piece.device(), states->device());
        ASSERT_TRUE(SameBits(piece, other.narrow(0, begin, end - begin))) << begin << " to " << end;
      }
    }
  }
}

TEST_P(EveryPlaceTest, DoesWhatOneTensorDoesUnderOverlappingRewrites) {
  constexpr int64_t kTokens = 60;
  const auto states = Make(kTokens, 3);
  at::Tensor twin = RandomBits(kTokens, 3);
  ASSERT_TRUE(states->Write(0, OnDevice(twin)).ok());
  for (int64_t step = 0; step < 200; ++step) {
    const int64_t begin = step * 17 % kTokens;
    const int64_t count = step * 29 % (kTokens - begin + 1);
    const at::Tensor rows = RandomBits(count, 3);
    ASSERT_TRUE(states->Write(begin, OnDevice(rows)).ok());
    twin.narrow(0, begin, count).copy_(rows);
    const int64_t first = step * 13 % kTokens;
    ASSERT_TRUE(SameBits(states->Read(first, kTokens).value(), twin.narrow(0, first, kTokens - first)));
  }
}

TEST_P(EveryPlaceTest, RowsAreOverwrittenInPlace) {
  const auto states = Make(6, 2);
  const at::Tensor rows = at::arange(12, at::kFloat).view({6, 2});
  ASSERT_TRUE(states->Write(0, OnDevice(rows)).ok());
  const auto doubled = states->Update(1, 4, [](at::Tensor& some) { some.mul_(2); });
  ASSERT_TRUE(doubled.ok()) << doubled.status();
  rows.narrow(0, 1, 3).mul_(2);
  EXPECT_TRUE(SameBits(*doubled, rows.narrow(0, 1, 3)));
  EXPECT_TRUE(SameBits(states->Read(0, 6).value(), rows));
  const auto beyond = states->Update(5, 7, [](at::Tensor&) { FAIL() << "there are no such rows"; });
  EXPECT_EQ(beyond.status().code(), absl::StatusCode::kOutOfRange);
}

TEST_P(EveryPlaceTest, TakesRowsThatAreNotContiguousOrHaveAGradient) {
  const auto states = Make(4, 6);
  const at::Tensor rows = OnDevice(at::randn({6, 4})).t();
  ASSERT_FALSE(rows.is_contiguous());
  const at::Tensor with_gradient = rows.clone().requires_grad_();
  ASSERT_TRUE(states->Write(0, rows).ok());
  EXPECT_TRUE(at::equal(states->Read(0, 4).value(), rows));
  ASSERT_TRUE(states->Write(0, with_gradient).ok());
  EXPECT_FALSE(states->Read(0, 4)->requires_grad());
}

TEST_P(EveryPlaceTest, HoldsNoTokensToo) {
  const auto states = Make(0, 8);
  EXPECT_TRUE(states->Write(0, OnDevice(at::empty({0, 8}))).ok());
  EXPECT_EQ(states->Read(0, 0)->sizes(), at::IntArrayRef({0, 8}));
}

TEST_P(EveryPlaceTest, RefusesRowsThatItDoesNotHave) {
  const auto states = Make(10, 4);
  for (const auto& [begin, end] : {std::pair(-1, 3), {3, 2}, {0, 11}, {11, 11}}) {
    EXPECT_EQ(states->Read(begin, end).status().code(), absl::StatusCode::kOutOfRange) << begin;
  }
  EXPECT_EQ(states->Write(8, OnDevice(at::zeros({3, 4}))).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(states->Write(-1, OnDevice(at::zeros({3, 4}))).code(), absl::StatusCode::kOutOfRange);
  const absl::Status narrow = states->Write(0, OnDevice(at::zeros({3, 5}, at::kDouble)));
  EXPECT_EQ(narrow.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(narrow.message(), "hidden states are float32 [tokens, 4], but Double [3, 5] was to be written");
  EXPECT_EQ(states->Write(0, at::Tensor()).code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(DevicesAndPlaces, EveryPlaceTest,
                         ::testing::Combine(::testing::ValuesIn(Devices()),
                                            ::testing::Values(Place::kDevice, Place::kHost, Place::kFile)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<0>(info.param).is_cpu() ? "cpu" : "cuda", "_",
                                               std::string(place_name(std::get<1>(info.param))));
                         });

TEST(HiddenStatesInMemoryTest, AreReadAsViews) {
  for (const Place place : {Place::kDevice, Place::kHost}) {
    const auto states = HiddenStates::Create(4, 2, at::kCPU, place, "").value();
    ASSERT_TRUE(states->Write(0, at::zeros({4, 2})).ok());
    const at::Tensor piece = states->Read(1, 3).value();
    ASSERT_TRUE(states->Write(0, at::ones({4, 2})).ok());
    EXPECT_TRUE(at::equal(piece, at::ones({2, 2})));
    EXPECT_EQ(piece.const_data_ptr(), states->Read(1, 3)->const_data_ptr());
  }
}

TEST(HiddenStatesInMemoryTest, SayHowMuchDoesNotFit) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer ends the program where an allocation fails";
#else
  const absl::Status status =
      HiddenStates::Create(int64_t{1} << 45, 1024, at::kCPU, Place::kHost, "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("144115188075855872 bytes"), HasSubstr("memory of the host")));
#endif
}

TEST(HiddenStatesInAFileTest, LeaveAPieceThatIsHeldAsItWas) {
  const TempDirectory directory;
  const auto states = HiddenStates::Create(4, 2, at::kCPU, Place::kFile, directory.path().string()).value();
  ASSERT_TRUE(states->Write(0, at::zeros({4, 2})).ok());
  const at::Tensor held = states->Read(0, 4)->narrow(0, 0, 1);  // a part keeps the piece
  ASSERT_TRUE(states->Write(0, at::ones({4, 2})).ok());
  EXPECT_TRUE(at::equal(states->Read(0, 4).value(), at::ones({4, 2})));
  EXPECT_TRUE(at::equal(held, at::zeros({1, 2})));
}

TEST(HiddenStatesInAFileTest, ReadIntoTheSameMemoryOnceAPieceIsLetGo) {
  const TempDirectory directory;
  const auto states =
      HiddenStates::Create(400, 64, at::kCPU, Place::kFile, directory.path().string()).value();
  const void* first = states->Read(0, 100)->const_data_ptr();
  EXPECT_EQ(states->Read(300, 400)->const_data_ptr(), first);
  EXPECT_EQ(states->Read(5, 6)->const_data_ptr(), first);
  const at::Tensor held = states->Read(0, 100).value();
  EXPECT_NE(states->Read(0, 100)->const_data_ptr(), held.const_data_ptr());
}

TEST(HiddenStatesInAFileTest, LeaveNoNameBehindEvenWhileTheyExist) {
  const TempDirectory directory;
  const auto states = HiddenStates::Create(64, 64, at::kCPU, Place::kFile, directory.path().string()).value();
  ASSERT_TRUE(states->Write(0, at::ones({64, 64})).ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

absl::Status CreateIn(const std::string& directory, int64_t tokens = 1024, int64_t width = 256) {
  return HiddenStates::Create(tokens, width, at::kCPU, Place::kFile, directory).status();
}

TEST(HiddenStatesInAFileTest, NameADirectoryThatIsMissing) {
  const TempDirectory directory;
  const absl::Status status = CreateIn(directory / "none");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), absl::StrCat("cannot create a file for hidden states in ",
                                           (directory / "none").string(), ": No such file or directory"));
}

TEST(HiddenStatesInAFileDeathTest, NameADirectoryThatCannotBeWritten) {
  const TempDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0555));
  const auto create_without_privileges = [&] {
    if (geteuid() == 0 && seteuid(65534) != 0) _exit(1);  // root may write everywhere
    std::cerr << CreateIn(directory.path().string());
    _exit(0);
  };
  EXPECT_EXIT(create_without_privileges(), ExitedWithCode(0),
              "PERMISSION_DENIED: cannot create a file for hidden states in .*: Permission denied");
}

TEST(HiddenStatesInAFileTest, AreRefusedAtOnceWhereTheDiskHasNotEnoughSpace) {
  const TempDirectory directory;
  struct statvfs before;
  ASSERT_EQ(statvfs(directory.path().c_str(), &before), 0);
  const auto free_bytes = static_cast<int64_t>(before.f_bavail * before.f_frsize);
  const int64_t tokens = free_bytes / 1024 * 2;
  const absl::Status status = CreateIn(directory.path().string(), tokens, 256);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(absl::StrCat("need a file of ", tokens * 1024, " bytes in ",
                                           directory.path().string(), ", but only ")),
                    HasSubstr(" bytes are free; free some space there, or prune with fewer samples")));
}

// The process's limit of file sizes stands for a disk that runs full after it was asked for its free space.
void LimitFileSizes(rlim_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(1);
}

TEST(HiddenStatesInAFileDeathTest, AreRefusedAtOnceWhereTheSystemReservesNoSpace) {
  const TempDirectory directory;
  const auto create_under_a_limit = [&] {
    LimitFileSizes(1 << 19);
    std::cerr << CreateIn(directory.path().string());  // 2^20 bytes
    _exit(0);
  };
  EXPECT_EXIT(create_under_a_limit(), ExitedWithCode(0),
              "RESOURCE_EXHAUSTED: the hidden states need a file of 1048576 bytes in .*, but the system "
              "refuses that with [0-9]+ bytes free .File too large.; free some space there");
}

TEST(HiddenStatesInAFileDeathTest, TellWhenAWriteStopsHalfWay) {
  const TempDirectory directory;
  const auto states =
      HiddenStates::Create(1024, 256, at::kCPU, Place::kFile, directory.path().string()).value();
  const at::Tensor rows = at::ones({1024, 256});
  const auto write_under_a_limit = [&] {
    LimitFileSizes(1 << 19);
    const absl::Status status = states->Write(0, rows);  // a short write, then an error
    const at::Tensor last = states->Read(511, 512).value();
    std::cerr << "wrote " << last[0][255].item<float>() << " then " << status;
    _exit(0);
  };
  EXPECT_EXIT(write_under_a_limit(), ExitedWithCode(0), "wrote 1 then RESOURCE_EXHAUSTED.*File too large");
}

TEST(HiddenStatesTest, RefusesSizesThatMakeNoSense) {
  for (const auto& [tokens, width] :
       {std::pair<int64_t, int64_t>{-1, 4}, {4, 0}, {4, -1}, {int64_t{1} << 40, int64_t{1} << 40}}) {
    for (const Place place : {Place::kDevice, Place::kHost, Place::kFile}) {
      const auto states = HiddenStates::Create(tokens, width, at::kCPU, place, "/");
      EXPECT_EQ(states.status().code(), absl::StatusCode::kInvalidArgument) << tokens << " x " << width;
    }
  }
}

int64_t ResidentBytes() {
  int64_t virtual_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> virtual_pages >> resident_pages;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

// What the process grows by while 64 MiB are written and read in pieces of 1 MiB.
int64_t GrowthThrough(Place place, const std::string& directory) {
  constexpr int64_t kWidth = 256, kPiece = 1024, kPieces = 64;
  const at::Tensor piece = at::ones({kPiece, kWidth});
  const int64_t before = ResidentBytes();
  const auto states = HiddenStates::Create(kPieces * kPiece, kWidth, at::kCPU, place, directory).value();
  double sum = 0;
  for (int64_t k = 0; k < kPieces; ++k) EXPECT_TRUE(states->Write(k * kPiece, piece).ok());
  for (int64_t k = 0; k < kPieces; ++k) {
    const at::Tensor rows = states->Read(k * kPiece, (k + 1) * kPiece).value();
    sum += rows.const_data_ptr<float>()[k];
  }
  EXPECT_EQ(sum, kPieces);
  return ResidentBytes() - before;
}

TEST(HiddenStatesTest, CountAsMemoryOfTheProcessOnTheHostButNotInAFile) {
  const TempDirectory directory;
  EXPECT_LT(GrowthThrough(Place::kFile, directory.path().string()), int64_t{16} << 20);
  EXPECT_GT(GrowthThrough(Place::kHost, directory.path().string()), int64_t{60} << 20);
}

TEST(HiddenStatesTest, NamesItsPlaces) {
  EXPECT_EQ(place_name(Place::kDevice), "device");
  EXPECT_EQ(place_name(Place::kHost), "host");
  EXPECT_EQ(place_name(Place::kFile), "file");
}

}  // namespace
}  // namespace kprune
