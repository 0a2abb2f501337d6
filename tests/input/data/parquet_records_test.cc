// Parquet as pyarrow writes it, against the same records as JSON lines; and files that are broken.
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "engine/data/records.h"
#include "tests/input/data/small_tokenizer.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

fs::path Golden(const std::string& name) {
  return fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens/parquet" / name;
}

class ParquetTest : public SmallTokenizerTest {
 protected:
  void SetUp() override {
    const absl::Status status = OpenRecords(Golden("strings.parquet"), limits_).status();
    if (absl::IsUnimplemented(status)) GTEST_SKIP() << "built without libparquet: " << status.message();
  }

  absl::StatusOr<std::vector<nlohmann::json>> Records(const fs::path& path) {
    absl::StatusOr<std::unique_ptr<RecordSource>> source = OpenRecords(path, limits_);
    if (!source.ok()) return source.status();
    std::vector<nlohmann::json> records;
    while (true) {
      const absl::StatusOr<bool> more = (*source)->Next();
      if (!more.ok()) return more.status();
      if (!*more) return records;
      const Record record = (*source)->Current();
      if (!record.fault.ok()) return record.fault;
      absl::StatusOr<nlohmann::json> fields = (*source)->Fields(record);
      if (!fields.ok()) return fields.status();
      records.push_back(*std::move(fields));
    }
  }
};

TEST_F(ParquetTest, Examples) {
  const absl::StatusOr<SampleSet> set = Read({Golden("sentences.parquet")});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_TRUE(set->labelled);
  ASSERT_THAT(set->samples, SizeIs(700));
  EXPECT_THAT(set->samples[1].input_ids, ElementsAre(2, 5, 5, 3));
  EXPECT_EQ(set->samples[1].line, 2);
  EXPECT_THAT(set->samples[1].labels, ElementsAre(1));
}

TEST_F(ParquetTest, RowsAreTheSameRecordsAsJsonLines) {
  for (const std::string name : {"sentences", "strings", "words", "questions", "numbers"}) {
    const auto rows = Records(Golden(name + ".parquet")), lines = Records(Golden(name + ".jsonl"));
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_TRUE(lines.ok()) << lines.status();
    EXPECT_EQ(*rows, *lines) << name;
  }
}

TEST_F(ParquetTest, ADrawTakesTheRowsThatItTakesOfLines) {
  const absl::StatusOr<SampleSet> rows = Read({Golden("sentences.parquet")}, {40, 0.1, 3});
  const absl::StatusOr<SampleSet> lines = Read({Golden("sentences.jsonl")}, {40, 0.1, 3});
  ASSERT_TRUE(rows.ok() && lines.ok()) << rows.status() << lines.status();
  EXPECT_EQ(rows->lines, lines->lines);
  EXPECT_THAT(rows->lines, SizeIs(44));
}

TEST_F(ParquetTest, FilesOfOtherKindsAreRefused) {
  EXPECT_THAT(Refusal("a.parquet", "{\"text\": \"good\"}\n"), HasSubstr("cannot be read as Parquet"));
  EXPECT_THAT(Refusal("a.parquet", ""), HasSubstr("cannot be read as Parquet"));
  EXPECT_THAT(Refusal("a.parquet", "PAR1"), HasSubstr("cannot be read as Parquet"));
  EXPECT_EQ(Read({folder_ / "none.parquet"}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ParquetTest, AListThatIsLongerThanARecordIsRefusedBeforeItIsMade) {
  const absl::Status status = Read({Golden("endless_list.parquet")}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("row 1: the row has more than 1048576 bytes"));
}

TEST_F(ParquetTest, AFileWithoutAColumnThatCanBeReadIsRefused) {
  const absl::Status status = Read({Golden("pictures.parquet")}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("no column has texts, numbers or lists of them"));
}

TEST_F(ParquetTest, DamagedFilesAreRefusedOrReadAndNeverCrash) {
  std::mt19937 random(5);
  int refused = 0;
  for (const std::string name : {"strings", "words", "questions", "numbers"}) {
    std::ifstream stream(Golden(name + ".parquet"), std::ios::binary);
    const std::string whole(std::istreambuf_iterator<char>(stream), {});
    for (int i = 0; i < 150; ++i) {
      std::string damaged = whole;
      for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips)
        damaged[random() % damaged.size()] = static_cast<char>(random());
      if (i % 10 == 0) damaged.resize(random() % damaged.size());
      const absl::Status status = Records(Write("damaged.parquet", damaged)).status();
      if (!status.ok()) ++refused;
      EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace kprune
