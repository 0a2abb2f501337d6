#include "engine/pruning/sublayer_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/engine/pruning/random_sublayer.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

const std::string kPrevious(64, 'a');

// The whole file.
std::string Bytes(const SublayerCheckpoint& record, int index) {
  const SublayerFile file = MakeSublayerFile(record, index, kPrevious).value();
  return file.digest + file.contents;
}

TEST(SublayerFileTest, Examples) {
  const SublayerCheckpoint record = RandomSublayer(3, 1);
  const SublayerFile file = MakeSublayerFile(record, 3, kPrevious).value();
  const absl::StatusOr<ParsedSublayer> parsed = ParseSublayerFile(file.digest + file.contents, 3, kPrevious);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->digest, file.digest);
  EXPECT_TRUE(Same(parsed->record, record));
}

TEST(SublayerFileTest, KeepsDoublesThatAreNoNumbersAndTheBitsOfNaNs) {
  const double payload = std::bit_cast<double>(uint64_t{0xfff8'0000'dead'beef});
  const double infinity = std::numeric_limits<double>::infinity();
  SublayerCheckpoint record = RandomSublayer(0, 1);
  for (const double value :
       {payload, infinity, -infinity, -0.0, std::numeric_limits<double>::denorm_min(), 0.1}) {
    record.pruned.condition = value;
    record.pruned.reconstruction_error = -value;
    const absl::StatusOr<ParsedSublayer> parsed = ParseSublayerFile(Bytes(record, 0), 0, kPrevious);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(Same(parsed->record, record)) << value;
  }
}

TEST(SublayerFileTest, KeepsASublayerThatIsEmptyAndWeightsThatAreNotContiguous) {
  SublayerCheckpoint empty = RandomSublayer(1, 1);
  empty.pruned.kept = 0;
  empty.pruned.solver = "empty";
  empty.kept_positions.clear();
  empty.out.weight = at::empty({6, 0});
  empty.in = {};
  SublayerCheckpoint strided = RandomSublayer(1, 2);
  strided.out.weight = strided.out.weight.t().contiguous().t();
  ASSERT_FALSE(strided.out.weight.is_contiguous());
  for (const SublayerCheckpoint* record : {&empty, &strided}) {
    const absl::StatusOr<ParsedSublayer> parsed = ParseSublayerFile(Bytes(*record, 1), 1, kPrevious);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(Same(parsed->record, *record));
  }
}

TEST(SublayerFileTest, IsRefusedWithAnyBitFlippedOrCutAnywhere) {
  const std::string bytes = Bytes(RandomSublayer(2, 1), 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(ParseSublayerFile(bytes.substr(0, i), 2, kPrevious).ok()) << "cut after " << i << " bytes";
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_FALSE(ParseSublayerFile(damaged, 2, kPrevious).ok()) << "bit " << bit << " of byte " << i;
    }
  }
  EXPECT_FALSE(ParseSublayerFile(bytes + '\0', 2, kPrevious).ok());
}

TEST(SublayerFileTest, IsRefusedInAnotherPlaceAndInAnotherHistory) {
  const std::string bytes = Bytes(RandomSublayer(2, 1), 2);
  EXPECT_FALSE(ParseSublayerFile(bytes, 3, kPrevious).ok());
  const absl::Status status = ParseSublayerFile(bytes, 2, std::string(64, 'b')).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("it belongs to another run"));
}

TEST(SublayerFileTest, IsNotMadeOfARecordThatContradictsItself) {
  const struct {
    std::function<void(SublayerCheckpoint&)> spoil;
    std::string problem;
  } cases[] = {
      {[](auto& r) { r.pruned.index = 1; }, "the index 1 of 8"},
      {[](auto& r) { r.pruned.total = 0; }, "the index 0 of 0"},
      {[](auto& r) { r.pruned.layer = -1; }, "the layer -1"},
      {[](auto& r) { r.pruned.kept = 3; }, "2 kept positions for 3 kept units"},
      {[](auto& r) {
         r.kept_positions = {2, 1};
       },
       "kept positions that do not rise within its 4 units"},
      {[](auto& r) {
         r.kept_positions = {1, 1};
       },
       "kept positions that do not rise within its 4 units"},
      {[](auto& r) {
         r.kept_positions = {-1, 1};
       },
       "kept positions that do not rise within its 4 units"},
      {[](auto& r) {
         r.kept_positions = {1, 4};
       },
       "kept positions that do not rise within its 4 units"},
      {[](auto& r) { r.next_positions.resize(8); }, "what it says of the sublayers above"},
      {[](auto& r) {
         r.next_positions = {{0, 1}, {3, 3}};
       },
       "positions that do not rise"},
      {[](auto& r) { r.out.bias = at::zeros({5}); }, "a float32 matrix and a vector as long"},
      {[](auto& r) {
         r.out.weight = at::zeros({6, 5});
       },
       "an output projection of 5 features for 2 kept units"},
      {[](auto& r) {
         r.out.weight = at::zeros({6, 0});
       },
       "an output projection of 0 features for 2 kept units"},
      {[](auto& r) { r.out.bias = at::Tensor(); }, "not a float32 matrix and a vector as long on the CPU"},
      {[](auto& r) { r.out.weight = r.out.weight.to(at::kDouble); }, "not a float32 matrix"},
      {[](auto& r) { r.in.bias = at::Tensor(); }, "an input projection that is not float32 on the CPU"},
      {[](auto& r) {
         r.in = {at::zeros({17, 6}), at::zeros({17})};
       },
       "of other sizes than its output projection"},
      {[](auto& r) {
         r.in = {at::zeros({18, 5}), at::zeros({18})};
       },
       "of other sizes than its output projection"},
      {[](auto& r) { r.batch_tokens = -1; }, "the batch_tokens -1"},
      {[](auto& r) { r.pruned.solver = std::string(1, '\xff'); }, "is not valid UTF-8"},
  };
  for (const auto& [spoil, problem] : cases) {
    SublayerCheckpoint record = RandomSublayer(0, 1);
    spoil(record);
    const absl::Status status = MakeSublayerFile(record, 0, kPrevious).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << problem;
    EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
  }
}

}  // namespace
}  // namespace kprune
