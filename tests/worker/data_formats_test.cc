// The same samples in every format make the same model.
#include <zlib.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using nlohmann::json;
using ::testing::HasSubstr;

std::vector<json> Records(const std::string& lines) {
  std::vector<json> records;
  for (const absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty()))
    records.push_back(json::parse(std::string(line)));
  return records;
}

// "sentence,sentiment" with every cell quoted, or with tabs between.
std::string Table(const std::vector<json>& records, bool csv) {
  std::string table = csv ? "id,sentence,sentiment\n" : "sentence\tsentiment\n";
  for (const json& record : records) {
    const std::string text = record["text"], label = record["label"].dump();
    table += csv ? absl::StrCat("7,\"", text, "\",", label, "\n") : absl::StrCat(text, "\t", label, "\n");
  }
  return table;
}

std::string Gzip(const fs::path& file, const std::string& text) {
  gzFile packed = gzopen(file.c_str(), "wb");
  EXPECT_EQ(gzwrite(packed, text.data(), static_cast<unsigned>(text.size())), static_cast<int>(text.size()));
  EXPECT_EQ(gzclose(packed), Z_OK);
  return file.string();
}

TEST(DataFormatsTest, TheSameSamplesMakeTheSameModel) {
  const JobDirectory job({.task = "text-classification", .labels = 2});
  const std::string lines = ReadFile(job / "data/samples.jsonl");
  const std::vector<json> records = Records(lines);
  testing::WriteFile(job / "data/a.csv", Table(records, /*csv=*/true));
  testing::WriteFile(job / "data/a.tsv", Table(records, /*csv=*/false));
  testing::WriteFile(job / "data/a.json", json({{"data", records}}).dump(1));
  Gzip(job / "data/a.jsonl.gz", lines);
  Gzip(job / "data/a.csv.gz", Table(records, /*csv=*/true));
  const auto prune = [&](const std::string& data) {
    fs::remove_all(job / kResultDirectory);
    const absl::Status status = job.Run(
        "prune", {{"data", {data}}, {"options", {{"samples", 30}, {"seed", 3}, {"export", "safetensors"}}}});
    EXPECT_TRUE(status.ok()) << data << ": " << status;
    const json report = job.Result(kReportFile);
    EXPECT_EQ(report["samples"], 30) << data;
    return std::pair(ReadFile(job / "result/model.safetensors"), report["metric"]);
  };
  const auto expected = prune("data/samples.jsonl");
  EXPECT_FALSE(expected.first.empty());
  EXPECT_EQ(expected.second["n"], 3);
  for (const char* data : {"data/a.csv", "data/a.tsv", "data/a.json", "data/a.jsonl.gz", "data/a.csv.gz"})
    EXPECT_TRUE(prune(data) == expected) << data;
}

TEST(DataFormatsTest, ParquetIsReadAsItsLinesAre) {
  const JobDirectory job({.task = "text-classification", .labels = 2});
  const fs::path goldens = fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens/parquet";
  const auto tokenize = [&](const std::string& name) {
    fs::remove_all(job / kResultDirectory);
    fs::copy_file(goldens / name, job / ("data/" + name));
    const absl::Status status = job.Run("tokenize", {{"data", {"data/" + name}}});
    EXPECT_TRUE(status.ok() || absl::IsUnimplemented(status)) << status;
    std::vector<json> tokens =
        status.ok() ? Records(ReadFile(job / "result/tokens.jsonl")) : std::vector<json>();
    for (json& line : tokens) line.erase("file");
    return tokens;
  };
  const std::vector<json> rows = tokenize("sentences.parquet");
  if (rows.empty()) GTEST_SKIP() << "built without libparquet";
  EXPECT_EQ(rows.size(), 700u);
  EXPECT_TRUE(rows == tokenize("sentences.jsonl"));
}

TEST(DataFormatsTest, ColumnsMayBeNamed) {
  const JobDirectory job({.task = "text-classification", .labels = 2});
  testing::WriteFile(job / "data/a.csv", "first,second,stars\ngood,bad,1\nbad,good,0\n");
  const json data = {{"data", {"data/a.csv"}}};
  EXPECT_THAT(std::string(job.Run("tokenize", data).message()), HasSubstr("--columns text=NAME"));
  json named = data;
  named["options"]["columns"] = {"text=second", "label=stars"};
  const absl::Status status = job.Run("tokenize", named);
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace kprune
