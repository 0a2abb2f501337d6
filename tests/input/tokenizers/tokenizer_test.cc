#include "engine/tokenizers/tokenizer.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "engine/formats/file.h"
#include "engine/tokenizers/unicode.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, and four pieces.
constexpr char kVocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nprun\n##ing\nfast\n!\n";

std::unique_ptr<Tokenizer> LoadVocabulary(const TempDirectory& folder,
                                          std::string_view vocabulary = kVocabulary) {
  WriteFile(folder, "vocab.txt", vocabulary);
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(folder.path());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

TEST(Tokenizer, Examples) {
  const TempDirectory folder;
  const std::unique_ptr<Tokenizer> tokenizer = LoadVocabulary(folder);
  EXPECT_THAT(tokenizer->Encode("Pruning fast!", std::nullopt, 0).input_ids, ElementsAre(2, 4, 5, 6, 7, 3));

  const Encoding pair = tokenizer->Encode("pruning", "fast", 0);
  EXPECT_THAT(pair.input_ids, ElementsAre(2, 4, 5, 3, 6, 3));
  EXPECT_THAT(pair.token_type_ids, ElementsAre(0, 0, 0, 0, 1, 1));
  EXPECT_EQ(pair.content_tokens, 3);

  EXPECT_THAT(tokenizer->Encode("pruning fast", std::nullopt, 4).input_ids,
              ElementsAre(2, 4, 5, 3));  // truncated
  EXPECT_EQ(tokenizer->special_tokens(/*pair=*/false), 2);
  EXPECT_EQ(tokenizer->special_tokens(/*pair=*/true), 3);
  EXPECT_EQ(tokenizer->vocab_size(), 8);
  EXPECT_EQ(tokenizer->Id("##ing"), 5);
  EXPECT_EQ(tokenizer->Id("absent"), std::nullopt);
}

TEST(Tokenizer, LongestFirstTakesFromTheLongerTextAndThenFromBoth) {
  const TempDirectory folder;
  const std::unique_ptr<Tokenizer> tokenizer = LoadVocabulary(folder);
  const auto lengths = [&](int first, int second, int limit) {
    std::string a, b;
    for (int i = 0; i < first; ++i) a += " fast";
    for (int i = 0; i < second; ++i) b += " fast";
    const Encoding encoding = tokenizer->Encode(a, b, limit);
    const int kept =
        static_cast<int>(std::count(encoding.token_type_ids.begin(), encoding.token_type_ids.end(), 0)) - 2;
    return std::pair(kept, encoding.content_tokens - kept);
  };
  EXPECT_EQ(lengths(2, 2, 7), std::pair(2, 2));
  EXPECT_EQ(lengths(1, 9, 8), std::pair(1, 4));
  EXPECT_EQ(lengths(9, 1, 8), std::pair(4, 1));
  EXPECT_EQ(lengths(9, 9, 8), std::pair(2, 3));
  EXPECT_EQ(lengths(9, 8, 8), std::pair(3, 2));
  EXPECT_EQ(lengths(9, 9, 3), std::pair(0, 0));
}

TEST(Tokenizer, OneTextAloneGivesWayUnlessNothingWouldBeLeftOfIt) {
  const TempDirectory folder;
  const std::unique_ptr<Tokenizer> tokenizer = LoadVocabulary(folder);
  const auto lengths = [&](int first, int second, int limit, Truncation truncation) {
    std::string a, b;
    for (int i = 0; i < first; ++i) a += "fast ";
    for (int i = 0; i < second; ++i) b += "fast ";
    const Encoding encoding = tokenizer->Encode(a, b, limit, truncation);
    return std::pair(encoding.first.end - encoding.first.begin, encoding.second.end - encoding.second.begin);
  };
  // As tokenizers 0.22.2 does it, with three special tokens; where nothing would be left, that refuses.
  EXPECT_EQ(lengths(9, 2, 8, Truncation::kOnlyFirst), std::pair(3, 2));
  EXPECT_EQ(lengths(2, 9, 8, Truncation::kOnlyFirst), std::pair(2, 9));
  EXPECT_EQ(lengths(9, 4, 8, Truncation::kOnlyFirst), std::pair(1, 4));
  EXPECT_EQ(lengths(9, 5, 8, Truncation::kOnlyFirst), std::pair(9, 5));
  EXPECT_EQ(lengths(2, 9, 8, Truncation::kOnlySecond), std::pair(2, 3));
  EXPECT_EQ(lengths(9, 2, 8, Truncation::kOnlySecond), std::pair(9, 2));
  EXPECT_EQ(lengths(2, 3, 8, Truncation::kOnlySecond), std::pair(2, 3));
  EXPECT_EQ(tokenizer->Encode("fast fast fast", std::nullopt, 4, Truncation::kOnlyFirst).content_tokens, 2);
  EXPECT_EQ(tokenizer->Encode("fast fast fast", std::nullopt, 4, Truncation::kOnlySecond).content_tokens, 3);
}

TEST(Tokenizer, TextOfNoTokenHasNoContent) {
  const TempDirectory folder;
  const std::unique_ptr<Tokenizer> tokenizer = LoadVocabulary(folder);
  for (const char* text : {"", "  \t\n", "\x01\x02", "\xc2\xa0", "\xe2\x80\x8b"}) {
    EXPECT_EQ(tokenizer->Encode(text, std::nullopt, 0).content_tokens, 0) << text;
  }
}

TEST(Tokenizer, VocabTxtMayHaveWindowsLineEndsAndNoLastLineEnd) {
  const TempDirectory folder;
  EXPECT_EQ(LoadVocabulary(folder, "[UNK]\r\n[CLS]\r\n[SEP]\r\na")->Id("a"), 3);
}

TEST(Utf8, BrokenPartsBecomeReplacementsAsInPython) {
  // Each from bytes.decode("utf-8", errors="replace").
  EXPECT_EQ(DecodeUtf8("a\xff"
                       "b"),
            U"a\uFFFDb");
  EXPECT_EQ(DecodeUtf8("\xe2\x82"), U"\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xe2\x28\xa1"), U"\uFFFD(\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xf0\x9f\x98"), U"\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xed\xa0\x80"), U"\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xc0\xaf"), U"\uFFFD\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xf4\x90\x80\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(DecodeUtf8("\xf0\x9f\x98\x80\xc3\xa9"), U"\U0001F600\u00E9");
}

// What LoadTokenizer says to a changed tokenizer.json.
class ChangedTokenizerJson : public testing::Test {
 protected:
  absl::Status Load(const std::function<void(Json&)>& change, std::string_view config = "") {
    std::ifstream file(fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens/uncased/tokenizer.json");
    Json json = Json::parse(file);
    change(json);
    const TempDirectory folder;
    WriteFile(folder, "tokenizer.json", json.dump());
    if (!config.empty()) WriteFile(folder, "tokenizer_config.json", config);
    return LoadTokenizer(folder.path()).status();
  }

  void ExpectRefused(absl::StatusCode code, const std::string& part, const std::function<void(Json&)>& change,
                     std::string_view config = "") {
    const absl::Status status = Load(change, config);
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
};

constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST_F(ChangedTokenizerJson, LoadsUnchangedAndWithoutAModelType) {
  EXPECT_TRUE(Load([](Json&) {}).ok());
  EXPECT_TRUE(Load([](Json& json) { json["model"].erase("type"); }).ok());
}

TEST_F(ChangedTokenizerJson, OtherKindsAreNamed) {
  ExpectRefused(
      kUnimplemented,
      "tokenizer.json.model.type is \"CharBPE\", accepted are \"BPE\", \"Unigram\", \"WordLevel\" and "
      "\"WordPiece\"",
      [](Json& json) { json["model"]["type"] = "CharBPE"; });
  ExpectRefused(kUnimplemented, "normalizer.type is \"NFX\"",
                [](Json& json) { json["normalizer"]["type"] = "NFX"; });
  ExpectRefused(kUnimplemented, "pre_tokenizer.type is \"UnicodeScripts\"",
                [](Json& json) { json["pre_tokenizer"]["type"] = "UnicodeScripts"; });
  ExpectRefused(kUnimplemented, "post_processor.type is \"Other\"",
                [](Json& json) { json["post_processor"]["type"] = "Other"; });
  ExpectRefused(
      kUnimplemented, "tokenizer_class is \"T5Tokenizer\"", [](Json&) {},
      R"({"tokenizer_class":"T5Tokenizer"})");
  ExpectRefused(
      kUnimplemented, "split_special_tokens is true", [](Json&) {}, R"({"split_special_tokens":true})");
  ExpectRefused(
      kInvalid, "truncation_side is \"up\"", [](Json&) {}, R"({"truncation_side":"up"})");
}

TEST_F(ChangedTokenizerJson, BrokenFieldsAreNamed) {
  ExpectRefused(kInvalid, "model is missing", [](Json& json) { json.erase("model"); });
  ExpectRefused(kInvalid, "model.vocab is missing", [](Json& json) { json["model"].erase("vocab"); });
  ExpectRefused(kInvalid, "gives \"x\" the id -1", [](Json& json) { json["model"]["vocab"]["x"] = -1; });
  ExpectRefused(kInvalid, "gives \"x\" the id 1.5", [](Json& json) { json["model"]["vocab"]["x"] = 1.5; });
  ExpectRefused(kInvalid, "lacks the unk_token \"[NONE]\"",
                [](Json& json) { json["model"]["unk_token"] = "[NONE]"; });
  ExpectRefused(kInvalid, "max_input_chars_per_word is 0",
                [](Json& json) { json["model"]["max_input_chars_per_word"] = 0; });
  ExpectRefused(kInvalid, "normalizer.lowercase is \"yes\"",
                [](Json& json) { json["normalizer"]["lowercase"] = "yes"; });
  ExpectRefused(kInvalid, "added_tokens[0].id has the id 77, but the vocabulary gives that token 0",
                [](Json& json) { json["added_tokens"][0]["id"] = 77; });
  ExpectRefused(kInvalid, "added_tokens[0].id has the id 99999, but the next free one is", [](Json& json) {
    json["added_tokens"][0] = {{"id", 99999}, {"content", "<new>"}};
  });
  ExpectRefused(kInvalid, "special_tokens does not give",
                [](Json& json) { json["post_processor"]["special_tokens"].erase("[SEP]"); });
  ExpectRefused(kInvalid, "post_processor.pair does not have sequence A and sequence B once each",
                [](Json& json) { json["post_processor"]["pair"] = json["post_processor"]["single"]; });
  ExpectRefused(kInvalid, "is an array, not an object", [](Json& json) { json = Json::array(); });
}

TEST_F(ChangedTokenizerJson, AConfigThatContradictsTheNormalizerIsRefused) {
  EXPECT_TRUE(Load([](Json&) {}, R"({"do_lower_case":true,"strip_accents":null})").ok());
  ExpectRefused(
      kInvalid, "do_lower_case is false, but the normalizer of tokenizer.json says the opposite",
      [](Json&) {}, R"({"do_lower_case":false})");
}

TEST(TokenizerFolder, WithoutATokenizerIsNotFound) {
  const TempDirectory folder;
  EXPECT_EQ(LoadTokenizer(folder.path()).status().code(), absl::StatusCode::kNotFound);
  WriteFile(folder, "merges.txt", "");
  EXPECT_EQ(LoadTokenizer(folder.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(LoadTokenizer(folder.path()).status().message()), HasSubstr("vocab.json"));
}

TEST(TokenizerFolder, ASentencepieceModelOfNoFamilyIsRefused) {
  const TempDirectory folder;
  WriteFile(folder, "spiece.model", "x");
  const absl::Status status = LoadTokenizer(folder.path()).status();
  EXPECT_EQ(status.code(), kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("says of which family"));
}

TEST(TokenizerFolder, FilesOfAnotherClassAreRefused) {
  const TempDirectory folder;
  WriteFile(folder, "vocab.txt", kVocabulary);
  WriteFile(folder, "tokenizer_config.json", R"({"tokenizer_class":"RobertaTokenizer"})");
  const absl::Status status = LoadTokenizer(folder.path()).status();
  EXPECT_EQ(status.code(), kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("vocab.txt is no file of its tokenizer_class"));
}

TEST(TokenizerFolder, VocabTxtWithoutASpecialTokenThatIsNeededIsRefused) {
  const TempDirectory folder;
  WriteFile(folder, "vocab.txt", "[UNK]\n[CLS]\na\n");
  const absl::Status status = LoadTokenizer(folder.path()).status();
  EXPECT_EQ(status.code(), kInvalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("vocab.txt lacks the sep_token \"[SEP]\""));
}

}  // namespace
}  // namespace kprune
