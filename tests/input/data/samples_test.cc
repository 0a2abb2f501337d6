#include "engine/data/samples.h"

#include <filesystem>
#include <string>
#include <vector>

#include "engine/formats/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, good 4, bad 5.
class SamplesTest : public testing::Test {
 protected:
  SamplesTest() {
    WriteFile(folder_, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\ngood\nbad\n");
    tokenizer_ = *LoadTokenizer(folder_.path());
    limits_.vocab_size = 6;
    limits_.max_positions = 8;
  }

  fs::path Lines(std::string_view contents, std::string_view name = "data.jsonl") {
    return WriteFile(folder_, name, contents);
  }

  absl::StatusOr<SampleSet> Read(const std::vector<fs::path>& paths) {
    return ReadSamples(paths, tokenizer_.get(), limits_);
  }

  // The file's refusal: its code is INVALID_ARGUMENT and its sentence begins with the file and, where given,
  // the place.
  void ExpectRefused(const fs::path& path, const std::string& place, const std::string& problem) {
    const absl::Status status = Read({path}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path.string() + place), HasSubstr(problem)));
  }

  void ExpectLineRefused(std::string_view line, const std::string& problem) {
    ExpectRefused(Lines("{\"text\": \"good\"}\n\n" + std::string(line) + "\n"), ", line 3", problem);
  }

  TempDirectory folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  SampleLimits limits_;
};

TEST_F(SamplesTest, Examples) {
  const absl::StatusOr<SampleSet> set = Read({Lines(R"({"text": "good good", "label": 1}
{"text": "Bad!", "text_pair": "good", "label": 0, "id": 17}
)")});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_TRUE(set->labelled);
  ASSERT_EQ(set->samples.size(), 2u);
  EXPECT_THAT(set->samples[0].input_ids, ElementsAre(2, 4, 4, 3));
  EXPECT_THAT(set->samples[0].labels, ElementsAre(1.0));
  EXPECT_THAT(set->samples[1].input_ids, ElementsAre(2, 5, 1, 3, 4, 3));
  EXPECT_THAT(set->samples[1].token_type_ids, ElementsAre(0, 0, 0, 0, 1, 1));
  EXPECT_EQ(set->samples[1].line, 2);

  const absl::StatusOr<SampleSet> texts = Read({Lines(R"({"text": "good"})")});
  ASSERT_TRUE(texts.ok()) << texts.status();
  EXPECT_FALSE(texts->labelled);
  EXPECT_THAT(texts->samples[0].labels, IsEmpty());
}

TEST_F(SamplesTest, LongTextsAreTruncatedToTheLimit) {
  const fs::path path = Lines(R"({"text": "good good good good good good good good good good"})");
  EXPECT_EQ(Read({path})->samples[0].input_ids.size(), 8u);
  limits_.max_length = 5;
  EXPECT_THAT(Read({path})->samples[0].input_ids, ElementsAre(2, 4, 4, 4, 3));
}

TEST_F(SamplesTest, OneTextOfAPairGivesWayWhereAskedTo) {
  const fs::path path = Lines(R"({"text": "good good good good", "text_pair": "bad bad bad"})");
  limits_.truncation = Truncation::kOnlyFirst;
  EXPECT_THAT(Read({path})->samples[0].input_ids, ElementsAre(2, 4, 4, 3, 5, 5, 5, 3));
  limits_.truncation = Truncation::kOnlySecond;
  EXPECT_THAT(Read({path})->samples[0].input_ids, ElementsAre(2, 4, 4, 4, 4, 3, 5, 3));
  limits_.max_length = 7;
  ExpectRefused(path, ", line 1",
                "the sequence has 10 tokens and may have 7, but truncation only_second cuts the second text "
                "alone, of which nothing would be left");
  const fs::path alone = Lines(R"({"text": "good good good good good good"})");
  ExpectRefused(alone, ", line 1", "has 8 tokens and may have 7");
}

TEST_F(SamplesTest, MaxLengthMustFitTheModelAndLeaveRoom) {
  const fs::path path = Lines(R"({"text": "good"})");
  limits_.max_length = 9;
  EXPECT_THAT(std::string(Read({path}).status().message()), HasSubstr("max_length is 9, accepted is 0 to 8"));
  limits_.max_length = 2;
  ExpectRefused(path, ", line 1", "2 special tokens leave no room");
}

TEST_F(SamplesTest, ThreadsDoNotChangeTheResultNorTheErrors) {
  std::string lines;
  for (int i = 0; i < 10'000; ++i) {
    lines += R"({"text": ")" + std::string(i % 3 == 0 ? "good" : "bad") + std::string(i % 4, '!') + "\"}\n";
  }
  const fs::path good = Lines(lines, "good.jsonl");
  const fs::path bad = Lines(lines + "{\"text\": \"\"}\n{\"text\": 7}\n" + lines, "bad.jsonl");
  limits_.threads = 1;
  const absl::StatusOr<SampleSet> alone = Read({good});
  limits_.threads = 7;
  const absl::StatusOr<SampleSet> together = Read({good});
  ASSERT_TRUE(alone.ok() && together.ok());
  ASSERT_EQ(together->samples.size(), 10'000u);
  for (size_t i = 0; i < together->samples.size(); ++i) {
    ASSERT_EQ(alone->samples[i].input_ids, together->samples[i].input_ids);
    ASSERT_EQ(together->samples[i].line, static_cast<int64_t>(i + 1));
  }
  ExpectRefused(bad, ", line 10001",
                "text is empty: remove the line; line 10002: text is 7, accepted is a string");
}

TEST_F(SamplesTest, FilesFollowOneAnother) {
  const absl::StatusOr<SampleSet> set =
      Read({Lines(R"({"text":"good"})", "a.jsonl"), Lines(R"({"text":"bad"})", "b.jsonl")});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->samples[1].file, 1);
  EXPECT_EQ(set->samples[1].line, 1);
  EXPECT_THAT(set->samples[1].input_ids, ElementsAre(2, 5, 3));
}

TEST_F(SamplesTest, BadLinesAreRefusedByFileAndLine) {
  ExpectLineRefused("{\"text\": \"good\"", "not valid JSON");
  ExpectLineRefused("{\"text\": \"good\xff\"}", "not valid JSON");
  ExpectLineRefused(R"({"text": "good", "text": "bad"})", "the key \"text\" appears twice");
  ExpectLineRefused(R"("good")", "the line is \"good\", accepted is an object");
  ExpectLineRefused(R"({"words": "good"})",
                    "there is no \"text\" (found: \"words\"): name it with --columns text=NAME");
  ExpectLineRefused(R"({"text": null})", "text is empty");
  ExpectLineRefused(R"({"text": 7})", "text is 7, accepted is a string");
  ExpectLineRefused(R"({"text": ["good"]})", "text is an array");
  ExpectLineRefused(R"({"text": ""})", "text is empty");
  ExpectLineRefused(R"({"text": " \t\u00a0\u3000"})", "text is empty");
  ExpectLineRefused(R"({"text": "\u0001\u200b"})", "the text has no token");
  ExpectLineRefused(R"({"text": "good", "text_pair": " "})", "text_pair is empty");
  ExpectLineRefused(R"({"text": "good", "text_pair": 1})", "text_pair is 1");
  ExpectLineRefused(std::string(kMaxLineBytes + 1, ' '), "the line has 1048577 bytes, at most 1048576");
}

TEST_F(SamplesTest, NoSampleIsRefused) {
  ExpectRefused(Lines(""), "", "there is no sample");
  ExpectRefused(Lines("\n \r\n\n"), "", "there is no sample");
  EXPECT_EQ(Read({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Read({folder_.path() / "none.jsonl"}).status().code(), absl::StatusCode::kNotFound);
  ExpectRefused(Lines("x", "data.docx"), " is of no format that is known by its name", ".safetensors");
}

TEST_F(SamplesTest, LabelsOnSomeLinesOnlyAreRefused) {
  ExpectRefused(
      Lines("{\"text\":\"good\",\"label\":1}\n{\"text\":\"bad\"}"), ", line 2",
      "there is no label, but " + (folder_.path() / "data.jsonl").string() + ", line 1 has 1 label(s)");
  ExpectRefused(Lines("{\"text\":\"good\",\"label\":null}\n{\"text\":\"bad\",\"label\":0}"), ", line 2",
                "there is 1 label(s)");
}

TEST_F(SamplesTest, ATokenThatTheModelDoesNotHaveIsRefused) {
  limits_.vocab_size = 5;
  ExpectLineRefused(R"({"text": "bad"})", "token id 5 is not in the model's vocabulary of 5 (0 to 4)");
}

TEST_F(SamplesTest, AModelWithoutTokenTypesGetsNoneAndOneWithTooFewRefusesPairs) {
  const fs::path path = Lines(R"({"text": "good", "text_pair": "bad"})");
  limits_.type_vocab_size = 0;
  EXPECT_THAT(Read({path})->samples[0].token_type_ids, ElementsAre(0, 0, 0, 0, 0));
  limits_.type_vocab_size = 1;
  ExpectRefused(path, ", line 1", "token type 1 is not among the model's 1 token types");
}

struct LabelCase {
  LabelKind kind;
  const char* label;
  std::vector<double> read;  // empty: refused
};

class LabelTest : public SamplesTest, public testing::WithParamInterface<LabelCase> {};

TEST_P(LabelTest, IsReadOrRefusedByTheTask) {
  limits_.label_kind = GetParam().kind;
  limits_.num_labels = 3;
  limits_.label2id = {{"negative", 0}, {"neutral", 1}, {"positive", 2}, {"outside", 3}};
  const fs::path path = Lines(R"({"text": "good", "label": )" + std::string(GetParam().label) + "}");
  if (GetParam().read.empty()) {
    ExpectRefused(path, ", line 1", "the label is ");
  } else {
    const absl::StatusOr<SampleSet> set = Read({path});
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ(set->samples[0].labels, GetParam().read);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, LabelTest,
    testing::Values(
        LabelCase{LabelKind::kClass, "2", {2}}, LabelCase{LabelKind::kClass, "\"positive\"", {2}},
        LabelCase{LabelKind::kClass, "\"outside\"", {}}, LabelCase{LabelKind::kClass, "3", {}},
        LabelCase{LabelKind::kClass, "-2", {}}, LabelCase{LabelKind::kClass, "1.0", {1}},
        LabelCase{LabelKind::kClass, "1.5", {}}, LabelCase{LabelKind::kClass, "\"1\"", {1}},
        LabelCase{LabelKind::kClass, "\" 2.0 \"", {2}}, LabelCase{LabelKind::kClass, "\"Positive\"", {2}},
        LabelCase{LabelKind::kClass, "\"LABEL_1\"", {}}, LabelCase{LabelKind::kClass, "\"\"", {}},
        LabelCase{LabelKind::kClass, "[1]", {}}, LabelCase{LabelKind::kClass, "true", {1}},
        LabelCase{LabelKind::kClass, "{}", {}}, LabelCase{LabelKind::kMultiLabel, "[0, 1, 1]", {0, 1, 1}},
        LabelCase{LabelKind::kMultiLabel, "[0.0, 1.0, 0.0]", {0, 1, 0}},
        LabelCase{LabelKind::kMultiLabel, "[2, 1]", {0, 1, 1}},
        LabelCase{LabelKind::kMultiLabel, "[2]", {0, 0, 1}},
        LabelCase{LabelKind::kMultiLabel, "[]", {0, 0, 0}},
        LabelCase{LabelKind::kMultiLabel, "[\"positive\", \"neutral\"]", {0, 1, 1}},
        LabelCase{LabelKind::kMultiLabel, "\"positive, negative\"", {1, 0, 1}},
        LabelCase{LabelKind::kMultiLabel, "\"neutral|negative\"", {1, 1, 0}},
        LabelCase{LabelKind::kMultiLabel, "\"[0, 1, 1]\"", {0, 1, 1}},
        LabelCase{LabelKind::kMultiLabel, "\"['positive']\"", {0, 0, 1}},
        LabelCase{LabelKind::kMultiLabel, "[0, 1, 3]", {}},
        LabelCase{LabelKind::kMultiLabel, "[\"outside\"]", {}},
        LabelCase{LabelKind::kMultiLabel, "[0, 1, \"a\"]", {}}, LabelCase{LabelKind::kMultiLabel, "1", {}},
        LabelCase{LabelKind::kMultiLabel, "[0.5]", {}}, LabelCase{LabelKind::kRegression, "-1.25", {-1.25}},
        LabelCase{LabelKind::kRegression, "3", {3}}, LabelCase{LabelKind::kRegression, "\"3.5\"", {3.5}},
        LabelCase{LabelKind::kRegression, "\"high\"", {}}, LabelCase{LabelKind::kRegression, "\"nan\"", {}},
        LabelCase{LabelKind::kRegression, "[3]", {}}, LabelCase{LabelKind::kAny, "0.5", {0.5}},
        LabelCase{LabelKind::kAny, "[0.5, 2]", {0.5, 2}}, LabelCase{LabelKind::kAny, "{}", {}}));

TEST_F(SamplesTest, WhatStandsForNoLabelIsNone) {
  // As data sets without labels, and corpora with labels that embeddings have no use for, are published.
  limits_.label_kind = LabelKind::kClass;
  limits_.num_labels = 2;
  EXPECT_FALSE(Read({Lines(R"({"sentence": "good", "label": -1, "idx": 0})")})->labelled);
  limits_.label2id = {{"-1", 0}, {"1", 1}};
  EXPECT_TRUE(Read({Lines(R"({"text": "good", "label": "-1"})")})->labelled);
  limits_.label_kind = LabelKind::kAny;
  EXPECT_FALSE(Read({Lines(R"({"text": "good", "label": "sports"})")})->labelled);
}

TEST_F(SamplesTest, ClassesWithoutNamesMayBeCalledByTheirNumbers) {
  limits_.label_kind = LabelKind::kClass;
  limits_.num_labels = 2;
  EXPECT_THAT(Read({Lines(R"({"text": "good", "label": "LABEL_1"})")})->samples[0].labels, ElementsAre(1));
  ExpectRefused(Lines(R"({"text": "good", "label": "LABEL_2"})"), ", line 1", "the label is");
}

// Token ids in a safetensors file.
class TokenSamplesTest : public SamplesTest {
 protected:
  template <typename Element>
  void Add(std::string name, DType dtype, std::vector<int64_t> shape, std::vector<Element> values) {
    const auto* bytes = reinterpret_cast<const char*>(values.data());
    storage_.emplace_back(bytes, values.size() * sizeof(Element));
    tensors_.push_back({std::move(name), dtype, std::move(shape), {}});
  }

  fs::path Write() {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      tensors_[i].bytes =
          absl::MakeConstSpan(reinterpret_cast<const std::byte*>(storage_[i].data()), storage_[i].size());
    }
    const fs::path path = folder_.path() / "ids.safetensors";
    const absl::Status status = WriteSafetensors(path, tensors_, {});
    EXPECT_TRUE(status.ok()) << status;
    return path;
  }

  std::vector<std::string> storage_;
  std::vector<TensorView> tensors_;
};

TEST_F(TokenSamplesTest, Examples) {
  Add<int64_t>("input_ids", DType::kI64, {2, 4}, {2, 4, 3, 0, 2, 4, 5, 3});
  Add<int64_t>("attention_mask", DType::kI64, {2, 4}, {1, 1, 1, 0, 1, 1, 1, 1});
  Add<int32_t>("token_type_ids", DType::kI32, {2, 4}, {0, 0, 0, 0, 0, 0, 1, 1});
  Add<int64_t>("labels", DType::kI64, {2}, {1, 0});
  const absl::StatusOr<SampleSet> set = ReadSamples({Write()}, /*tokenizer=*/nullptr, limits_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_TRUE(set->labelled);
  EXPECT_THAT(set->samples[0].input_ids, ElementsAre(2, 4, 3));
  EXPECT_THAT(set->samples[1].token_type_ids, ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(set->samples[0].labels, ElementsAre(1.0));
  EXPECT_EQ(set->samples[1].line, 2);
}

TEST_F(TokenSamplesTest, WithoutAMaskTrailingPaddingIsFoundByItsId) {
  Add<int32_t>("input_ids", DType::kI32, {1, 5}, {2, 0, 3, 0, 0});
  const fs::path path = Write();
  EXPECT_EQ(Read({path})->samples[0].input_ids.size(), 5u);
  limits_.pad_token_id = 0;
  EXPECT_THAT(Read({path})->samples[0].input_ids, ElementsAre(2, 0, 3));
}

TEST_F(TokenSamplesTest, SeveralLabelsARowAreRead) {
  Add<int32_t>("input_ids", DType::kI32, {1, 1}, {4});
  Add<float>("labels", DType::kF32, {1, 3}, {0, 1, 1});
  limits_.label_kind = LabelKind::kMultiLabel;
  limits_.num_labels = 3;
  EXPECT_THAT(Read({Write()})->samples[0].labels, ElementsAre(0, 1, 1));
}

TEST_F(TokenSamplesTest, AllPaddingRowsAreRefused) {
  Add<int32_t>("input_ids", DType::kI32, {2, 2}, {2, 3, 0, 0});
  Add<uint8_t>("attention_mask", DType::kBool, {2, 2}, {1, 1, 0, 0});
  ExpectRefused(Write(), ", row 2", "all padding");
}

TEST_F(TokenSamplesTest, PaddingOnTheLeftIsRefused) {
  Add<int32_t>("input_ids", DType::kI32, {1, 3}, {0, 2, 3});
  Add<uint8_t>("attention_mask", DType::kU8, {1, 3}, {0, 1, 1});
  ExpectRefused(Write(), ", row 1", "padding on the right only");
}

TEST_F(TokenSamplesTest, IdsOutsideTheVocabularyAreRefused) {
  Add<int64_t>("input_ids", DType::kI64, {1, 2}, {2, 6});
  ExpectRefused(Write(), ", row 1", "token id 6 is not in the model's vocabulary of 6");
  tensors_.clear();
  storage_.clear();
  Add<int64_t>("input_ids", DType::kI64, {1, 2}, {2, -1});
  ExpectRefused(Write(), ", row 1", "token id -1");
  tensors_.clear();
  storage_.clear();
  Add<int64_t>("input_ids", DType::kI64, {1, 2}, {2, int64_t{1} << 32});  // must not wrap to 0
  ExpectRefused(Write(), ", row 1", "4294967296");
}

TEST_F(TokenSamplesTest, RowsOverThePositionTableOrMaxLengthAreRefused) {
  Add<int32_t>("input_ids", DType::kI32, {1, 9}, std::vector<int32_t>(9, 4));
  const fs::path path = Write();
  ExpectRefused(path, ", row 1", "9 tokens, at most 8 are accepted (the model's limit)");
  limits_.max_length = 5;
  ExpectRefused(path, ", row 1", "at most 5 are accepted (max_length)");
}

TEST_F(TokenSamplesTest, TensorsOfWrongNameTypeOrShapeAreRefused) {
  Add<float>("input_ids", DType::kF32, {1, 2}, {2, 3});
  ExpectRefused(Write(), ": input_ids is F32 [1, 2]", "accepted is I32 or I64 [samples, tokens]");
  tensors_.clear();
  storage_.clear();
  Add<int32_t>("attention_mask", DType::kI32, {1, 2}, {1, 1});
  ExpectRefused(Write(), "", "there is no tensor input_ids");
  Add<int32_t>("input_ids", DType::kI32, {1, 3}, {2, 4, 3});
  ExpectRefused(Write(), ": attention_mask is I32 [1, 2]", "in the shape of input_ids");
  tensors_[0].shape = {2, 1};
  tensors_[0].name = "labels";
  ExpectRefused(Write(), ": labels is I32 [2, 1]", "accepted is I32, I64, F32 or F64 [1]");
  tensors_[0].name = "extra";
  ExpectRefused(Write(), "", "unknown tensor \"extra\"");
}

TEST_F(TokenSamplesTest, TextNeedsATokenizer) {
  const absl::Status status = ReadSamples({Lines(R"({"text":"good"})")}, nullptr, limits_).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("the model has no tokenizer"));
}

}  // namespace
}  // namespace kprune
