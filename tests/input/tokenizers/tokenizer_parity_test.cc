// Token ids against those that Hugging Face's tokenizers gave (tests/input/goldens/make_goldens.py).
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "engine/formats/json.h"
#include "engine/formats/sha256.h"
#include "engine/tokenizers/bert_normalizer.h"
#include "engine/tokenizers/character_splits.h"
#include "engine/tokenizers/tokenizer.h"
#include "engine/tokenizers/unicode.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::ElementsAre;

const fs::path kGoldens = fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens";

std::unique_ptr<Tokenizer> Load(const fs::path& folder) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(folder);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

class TokenizerParity : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerParity, EveryGoldenLineGetsTheSameTokens) {
  const std::unique_ptr<Tokenizer> tokenizer = Load(kGoldens / GetParam());
  ASSERT_NE(tokenizer, nullptr);
  std::ifstream file(kGoldens / "encodings.jsonl");
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const Json golden = Json::parse(line);
    const std::string text = golden["text"];
    std::string pair;
    std::optional<std::string_view> second;
    if (!golden["pair"].is_null()) second = pair = golden["pair"].get<std::string>();
    const Encoding encoding = tokenizer->Encode(text, second, golden["max_length"]);
    EXPECT_EQ(encoding.input_ids, golden[GetParam()].get<std::vector<int32_t>>()) << "line " << lines + 1;
    EXPECT_EQ(encoding.token_type_ids.size(), encoding.input_ids.size());
    if (std::string_view(GetParam()) == "uncased") {
      EXPECT_EQ(encoding.token_type_ids, golden["types"].get<std::vector<int32_t>>()) << "line " << lines + 1;
    }
  }
  EXPECT_GT(lines, 200);
}

class TokenPlaces : public testing::TestWithParam<const char*> {};

TEST_P(TokenPlaces, TokensStandWhereTheyStandInTheText) {
  const std::unique_ptr<Tokenizer> tokenizer = Load(kGoldens / GetParam());
  ASSERT_NE(tokenizer, nullptr);
  std::ifstream file(kGoldens / "places.jsonl");
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const Json golden = Json::parse(line);
    const TextTokens tokens = tokenizer->EncodeText(golden["text"].get<std::string>());
    EXPECT_EQ(tokens.ids, golden[GetParam()]["ids"].get<std::vector<int32_t>>()) << "line " << lines + 1;
    Json spans = Json::array();
    for (const TextSpan& span : tokens.spans) spans.push_back({span.begin, span.end});
    EXPECT_EQ(spans, golden[GetParam()]["offsets"]) << "line " << lines + 1 << ": " << golden["text"];
  }
  EXPECT_GT(lines, 70);
}

TEST_P(TokenPlaces, WordsOneByOneAreTheTokensOfASplitText) {
  const std::unique_ptr<Tokenizer> tokenizer = Load(kGoldens / GetParam());
  ASSERT_NE(tokenizer, nullptr);
  std::ifstream file(kGoldens / "places.jsonl");
  for (std::string line; std::getline(file, line);) {
    const Json golden = Json::parse(line);
    std::vector<int32_t> ids, words;
    for (size_t word = 0; word < golden["words"].size(); ++word) {
      const std::vector<int32_t> own = tokenizer->EncodeText(golden["words"][word].get<std::string>()).ids;
      ids.insert(ids.end(), own.begin(), own.end());
      words.insert(words.end(), own.size(), static_cast<int32_t>(word));
    }
    const Encoding encoding = tokenizer->Frame(ids, std::nullopt);
    EXPECT_EQ(encoding.input_ids, golden[GetParam()]["split_ids"].get<std::vector<int32_t>>()) << line;
    words.insert(words.begin(), -1);
    words.push_back(-1);
    EXPECT_EQ(words, golden[GetParam()]["split_words"].get<std::vector<int32_t>>()) << line;
    EXPECT_EQ(encoding.first.begin, 1);
    EXPECT_EQ(encoding.first.end, static_cast<int>(ids.size()) + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TokenPlaces, testing::Values("uncased", "cased"),
                         [](const auto& info) { return std::string(info.param); });

INSTANTIATE_TEST_SUITE_P(Tokenizers, TokenizerParity, testing::Values("uncased", "cased", "vocab_txt"),
                         [](const auto& info) { return std::string(info.param); });

// Every code point between two letters; one digest a plane, so that a failure says where to look.
std::string PlaneDigest(int plane, const BertNormalizerOptions& options) {
  const BertNormalizer normalizer(options);
  std::string text;
  for (char32_t code = static_cast<char32_t>(plane) << 16; code < static_cast<char32_t>(plane + 1) << 16;
       ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    if (code != static_cast<char32_t>(plane) << 16) text += '\n';
    WordList words{AlignedText(EncodeUtf8(std::u32string{U'a', code, U'b'}), false), {}};
    normalizer.Normalize(words.text);
    words.words = {{{0, words.text.size()}}};
    BertSplit().Split(words);
    bool first = true;
    for (const WordList::Word& word : words.words) {
      if (!first) text += ' ';
      first = false;
      text += words.text.View(word.range);
    }
  }
  return Sha256OfBytes(text);
}

TEST(TokenizerParityOfCodePoints, EveryCodePointIsNormalisedAndSplitAlike) {
  absl::StatusOr<Json> golden = ReadJsonFile(kGoldens / "code_points.json");
  ASSERT_TRUE(golden.ok()) << golden.status();
  const std::pair<const char*, BertNormalizerOptions> variants[] = {
      {"uncased", {}},
      {"accents", {.lowercase = false}},
      {"lowercase", {.clean_text = false, .handle_chinese_chars = false, .strip_accents = false}}};
  for (const auto& [name, options] : variants) {
    for (int plane = 0; plane < 17; ++plane) {
      EXPECT_EQ(PlaneDigest(plane, options), (*golden)[name][plane]) << name << ", plane " << plane;
    }
  }
}

TEST(TokenizerParityOnRealModel, DevelopmentSentencesGetWholeWordsAndSpecialTokens) {
  const fs::path model = fs::path(KPRUNE_SHARED_DIR) / "models/sst2";
  const fs::path data = fs::path(KPRUNE_SHARED_DIR) / "data/sst2/dev.jsonl";
  if (!fs::exists(model / "tokenizer.json") || !fs::exists(data)) {
    GTEST_SKIP() << "no " << model << " and " << data << ": set KPRUNE_SHARED to run this";
  }
  const std::unique_ptr<Tokenizer> tokenizer = Load(model);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->vocab_size(), 30522);
  // From transformers.AutoTokenizer.
  EXPECT_THAT(tokenizer->Encode("Unbelievably naïve 漢字!", std::nullopt, 0).input_ids,
              ElementsAre(101, 4895, 8671, 2666, 3567, 6321, 15743, 1904, 100, 999, 102));
  // The sum of all ids, and their number, over the file: one number that any difference changes.
  std::ifstream file(data);
  int64_t sum = 0, tokens = 0;
  for (std::string line; std::getline(file, line);) {
    for (int32_t id :
         tokenizer->Encode(Json::parse(line)["text"].get<std::string>(), std::nullopt, 64).input_ids) {
      sum += ++tokens * id % 1'000'003;
    }
  }
  EXPECT_EQ(tokens, 20599);
  EXPECT_EQ(sum, 10222093538);
}

}  // namespace
}  // namespace kprune
