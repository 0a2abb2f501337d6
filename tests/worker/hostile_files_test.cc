// JSON that strangers wrote, through the preflight and the job: a key that appears twice and nesting without
// end are refused in one sentence that names the file, wherever JSON comes from.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::TinyModel;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

const TinyModel kSentenceEncoder = {.sentence_encoder = true};

std::string Nested() { return R"({"text": )" + std::string(100'000, '[') + std::string(100'000, ']') + "}"; }
constexpr char kTwice[] = R"({"text": "a", "text": "b"})";

// Writes it as that file of the job, as what the file's format makes of it.
void Write(const JobDirectory& job, const std::string& file, const std::string& document) {
  std::string bytes = document;
  if (file.ends_with(".json") && file.starts_with("data/")) bytes = "[" + document + "]";
  if (file.ends_with(".safetensors")) {
    const uint64_t size = document.size();
    bytes = std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + document;
  }
  // An index is read where there are no weights beside it.
  if (file.ends_with("index.json")) fs::remove(job / "model/model.safetensors");
  testing::WriteFile(job / file, bytes);
}

class HostileFileTest : public ::testing::TestWithParam<const char*> {
 protected:
  // The job with the document as that file is refused with these words, whole or only checked.
  void ExpectRefused(const std::string& document, const std::string& words) {
    const std::string file = GetParam();
    Write(job_, file, document);
    const json changes = file.starts_with("data/") ? json{{"data", {file}}} : json::object();
    for (const char* kind : {"preflight", "prune"}) {
      const absl::Status status = job_.Run(kind, changes);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << kind << ": " << status;
      EXPECT_THAT(std::string(status.message()),
                  AllOf(HasSubstr(fs::path(file).filename()), HasSubstr(words)));
      EXPECT_LT(status.message().size(), 1000u);
    }
    EXPECT_FALSE(job_.has_result());
  }

  const JobDirectory job_{kSentenceEncoder, 24};
};

TEST_P(HostileFileTest, MayNotNestWithoutEnd) { ExpectRefused(Nested(), "nested more than 64 deep"); }

TEST_P(HostileFileTest, MayNotHaveAKeyTwice) { ExpectRefused(kTwice, "the key \"text\" appears twice"); }

INSTANTIATE_TEST_SUITE_P(
    Files, HostileFileTest,
    ::testing::Values("model/config.json", "model/modules.json", "model/1_Pooling/config.json",
                      "model/tokenizer.json", "model/tokenizer_config.json", "model/special_tokens_map.json",
                      "model/added_tokens.json", "model/model.safetensors",
                      "model/model.safetensors.index.json", "data/samples.jsonl", "data/samples.json"),
    [](const auto& info) {
      std::string name = info.param;
      std::replace_if(
          name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
      return name;
    });

TEST(HostileJobFileTest, JobJsonIsReadAsStrictly) {
  const JobDirectory job(kSentenceEncoder, 4);
  for (const std::string& document : {Nested(), std::string(kTwice)}) {
    testing::WriteFile(job / kJobFile, document);
    const absl::Status status = ReadJobFile(job.path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(kJobFile));
  }
}

}  // namespace
}  // namespace kprune
