// Small tokenizers of every kind, with and without tokenizer.json, against what Hugging Face's libraries make
// of the same lines (tests/input/goldens/make_kinds.py). The long form is tests/input/parity/parity.py.
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "engine/formats/json.h"
#include "engine/tokenizers/tokenizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

const fs::path kKinds = fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens/kinds";

std::unique_ptr<Tokenizer> Load(const fs::path& folder) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(folder);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

Json SpansOf(const TextTokens& tokens) {
  Json spans = Json::array();
  for (const TextSpan& span : tokens.spans) spans.push_back({span.begin, span.end});
  return spans;
}

class TokenizerKinds : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerKinds, TokensTypesAndPlacesAreThoseOfTheLibrary) {
  const std::unique_ptr<Tokenizer> tokenizer = Load(kKinds / GetParam());
  ASSERT_NE(tokenizer, nullptr);
  std::ifstream file(kKinds / "encodings.jsonl");
  int lines = 0;
  for (std::string text; std::getline(file, text); ++lines) {
    const Json line = Json::parse(text);
    const Json& golden = line[GetParam()];
    std::string pair;
    std::optional<std::string_view> second;
    if (!line["pair"].is_null()) second = pair = line["pair"].get<std::string>();
    const Encoding encoding = tokenizer->Encode(line["text"].get<std::string>(), second, line["max_length"]);
    EXPECT_EQ(Json(encoding.input_ids), golden["ids"]) << line["text"];
    EXPECT_EQ(Json(encoding.token_type_ids), golden["types"]) << line["text"];
    if (!golden.contains("spans")) continue;
    const TextTokens tokens = tokenizer->EncodeText(line["text"].get<std::string>());
    EXPECT_EQ(Json(tokens.ids), golden["text_ids"]) << line["text"];
    EXPECT_EQ(SpansOf(tokens), golden["spans"]) << line["text"];
  }
  EXPECT_GT(lines, 50);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerKinds,
                         testing::Values("parts", "roberta", "modernbert", "prefixed", "llama3",
                                         "sentencepiece_bpe", "xlm_roberta", "camembert", "albert", "deberta",
                                         "first"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TokenizerKindsTest, MasksAreFoundByTheNameThatTheClassHas) {
  EXPECT_EQ(Load(kKinds / "roberta")->mask_id(), 4);
  EXPECT_EQ(Load(kKinds / "albert")->mask_id(), Load(kKinds / "albert")->Id("[MASK]"));
  EXPECT_NE(Load(kKinds / "xlm_roberta")->mask_id(), std::nullopt);
}

// A folder of kinds/ with some files changed.
class ChangedFolder : public testing::Test {
 protected:
  void Copy(const char* kind) {
    for (const auto& entry : fs::directory_iterator(kKinds / kind))
      fs::copy(entry.path(), folder_.path() / entry.path().filename(), fs::copy_options::overwrite_existing);
  }
  Json ReadStored() {
    std::ifstream file(folder_.path() / "tokenizer.json");
    return Json::parse(file);
  }
  void ExpectRefused(absl::StatusCode code, const std::string& part) {
    const absl::Status status = LoadTokenizer(folder_.path()).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }

  const TempDirectory folder_;
};

constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST_F(ChangedFolder, LeftTruncationKeepsTheEnd) {
  Copy("roberta");
  const std::unique_ptr<Tokenizer> right = Load(folder_.path());
  WriteFile(folder_, "tokenizer_config.json",
            R"({"tokenizer_class":"RobertaTokenizer","truncation_side":"left"})");
  const std::unique_ptr<Tokenizer> left = Load(folder_.path());
  EXPECT_FALSE(right->truncates_left());
  EXPECT_TRUE(left->truncates_left());
  const std::vector<int32_t> all = right->Encode("time person year way", std::nullopt, 0).input_ids;
  ASSERT_GT(all.size(), 5u);
  const std::vector<int32_t> end = left->Encode("time person year way", std::nullopt, 4).input_ids;
  EXPECT_EQ(end, (std::vector<int32_t>{all[0], all[all.size() - 3], all[all.size() - 2], all.back()}));
  EXPECT_EQ(right->Encode("time person year way", std::nullopt, 4).input_ids,
            (std::vector<int32_t>{all[0], all[1], all[2], all.back()}));
}

TEST_F(ChangedFolder, RandomMergesAreRefused) {
  Copy("modernbert");
  Json json = ReadStored();
  json["model"]["dropout"] = 0.1;
  WriteFile(folder_, "tokenizer.json", json.dump());
  ExpectRefused(kUnimplemented, "model.dropout is 0.1");
}

TEST_F(ChangedFolder, AMergeOfTokensThatAreNoneIsNamed) {
  Copy("modernbert");
  Json json = ReadStored();
  json["model"]["merges"][0] = {"\u2603", "x"};
  WriteFile(folder_, "tokenizer.json", json.dump());
  ExpectRefused(kInvalid, "a token of merge 1");
}

TEST_F(ChangedFolder, PatternsAreChecked) {
  Copy("llama3");
  Json json = ReadStored();
  Json& pattern = json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
  pattern = "(";
  WriteFile(folder_, "tokenizer.json", json.dump());
  ExpectRefused(kInvalid, "pattern has the pattern \"(\", which is no regular expression");
  pattern = "\\bword";
  WriteFile(folder_, "tokenizer.json", json.dump());
  ExpectRefused(kUnimplemented, "has \\b in the pattern");
}

TEST_F(ChangedFolder, ABlankBeforeTextsThatTheFilesDisagreeAboutIsRefused) {
  Copy("modernbert");
  WriteFile(folder_, "tokenizer_config.json",
            R"({"tokenizer_class":"PreTrainedTokenizerFast","add_prefix_space":true})");
  ExpectRefused(kInvalid,
                "add_prefix_space is true, but the pre_tokenizer of tokenizer.json says the opposite");
}

TEST_F(ChangedFolder, MergesThatAreNoPairsAreRefusedWithTheirLine) {
  Copy("roberta");
  WriteFile(folder_, "merges.txt", "#version: 0.2\nt h\nth\n");
  ExpectRefused(kInvalid, "merges.txt, line 3 has 1 tokens, accepted are two");
}

TEST_F(ChangedFolder, ACutSentencepieceModelIsRefused) {
  Copy("xlm_roberta");
  const fs::path path = folder_.path() / "sentencepiece.bpe.model";
  fs::resize_file(path, fs::file_size(path) / 2 + 1);
  ExpectRefused(kInvalid, "sentencepiece.bpe.model is no sentencepiece model");
}

TEST_F(ChangedFolder, ASentencepieceModelOfAnotherKindIsRefused) {
  Copy("xlm_roberta");
  // One piece, "<unk>", and a trainer_spec whose model_type is 2.
  WriteFile(folder_, "sentencepiece.bpe.model", std::string("\x0a\x07\x0a\x05<unk>\x12\x02\x18\x02", 13));
  ExpectRefused(kUnimplemented, "has the model_type 2, accepted is 1 (unigram)");
}

TEST_F(ChangedFolder, AnUnknownTokenThatIsNoneIsRefused) {
  Copy("first");
  Json json = ReadStored();
  json["model"]["unk_id"] = 100000;
  WriteFile(folder_, "tokenizer.json", json.dump());
  ExpectRefused(kInvalid, "model.unk_id is 100000, accepted is the place of the unknown token among");
}

}  // namespace
}  // namespace kprune
