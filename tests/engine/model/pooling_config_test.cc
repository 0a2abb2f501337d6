#include "engine/model/pooling_config.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::kprune::testing::TemporaryFolder;
using ::kprune::testing::WriteFile;
using nlohmann::json;
using ::testing::HasSubstr;

json Module(const std::string& type, const std::string& path) {
  return {{"type", "sentence_transformers.models." + type}, {"path", path}};
}

const json kTransformer = Module("Transformer", "");
const json kPooling = Module("Pooling", "1_Pooling");
const json kNormalize = Module("Normalize", "2_Normalize");
const json kMean = {{"pooling_mode_mean_tokens", true}, {"pooling_mode_cls_token", false}};

absl::StatusOr<ModulesConfig> Read(const std::string& modules, const std::string& pooling) {
  const TemporaryFolder folder;
  WriteFile(folder / "modules.json", modules);
  WriteFile(folder / "1_Pooling/config.json", pooling);
  return ReadModules(folder.path().string());
}

TEST(PoolingConfigTest, Examples) {
  const auto mean = Read(json({kTransformer, kPooling, kNormalize}).dump(), kMean.dump());
  ASSERT_TRUE(mean.ok()) << mean.status();
  EXPECT_TRUE(mean->present);
  EXPECT_EQ(mean->pooling, Pooling::kMean);
  EXPECT_TRUE(mean->normalize);

  const auto cls = Read(json({kTransformer, kPooling}).dump(), R"({"pooling_mode_cls_token": true})");
  ASSERT_TRUE(cls.ok()) << cls.status();
  EXPECT_EQ(cls->pooling, Pooling::kCls);
  EXPECT_FALSE(cls->normalize);
}

TEST(PoolingConfigTest, WithoutModulesNothingIsPresent) {
  const TemporaryFolder folder;
  const auto modules = ReadModules(folder.path().string());
  ASSERT_TRUE(modules.ok());
  EXPECT_FALSE(modules->present);
}

TEST(PoolingConfigTest, TakesTheLengthThatSentenceTransformersCutsTo) {
  const TemporaryFolder folder;
  WriteFile(folder / "modules.json", json({kTransformer}).dump());
  EXPECT_EQ(ReadModules(folder.path().string())->max_sequence, 0);
  WriteFile(folder / "sentence_bert_config.json", R"({"max_seq_length": 128, "do_lower_case": false})");
  EXPECT_EQ(ReadModules(folder.path().string())->max_sequence, 128);
  WriteFile(folder / "sentence_bert_config.json", R"({"max_seq_length": -1})");
  EXPECT_THAT(std::string(ReadModules(folder.path().string()).status().message()),
              HasSubstr("max_seq_length"));
}

struct Refusal {
  const char* name;
  json modules;
  json pooling;
  std::vector<std::string> message;
};

void PrintTo(const Refusal& value, std::ostream* out) { *out << value.name; }

class PoolingRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(PoolingRefusalTest, NamesTheFile) {
  const auto modules = Read(GetParam().modules.dump(), GetParam().pooling.dump());
  ASSERT_FALSE(modules.ok());
  EXPECT_EQ(modules.status().code(), absl::StatusCode::kInvalidArgument);
  for (const std::string& part : GetParam().message)
    EXPECT_THAT(std::string(modules.status().message()), HasSubstr(part));
}

const json kModules = json::array({kTransformer, kPooling});

INSTANTIATE_TEST_SUITE_P(
    Files, PoolingRefusalTest,
    ::testing::Values(
        Refusal{"NoList", json::object(), kMean, {"modules.json", "not a list"}},
        Refusal{"NoObject", json::array({1}), kMean, {"modules.json", "not an object"}},
        Refusal{"NoType", json::array({json{{"path", ""}}}), kMean, {"modules.json", "type", "path"}},
        Refusal{"PathNoText", json::array({json{{"type", "Pooling"}, {"path", 1}}}), kMean, {"modules.json"}},
        Refusal{"UnknownModule", json::array({Module("Dense", "2_Dense")}), kMean, {"Dense", "Transformer"}},
        Refusal{"PathOutside", json::array({Module("Pooling", "../1_Pooling")}), kMean, {"../1_Pooling"}},
        Refusal{"AbsolutePath", json::array({Module("Pooling", "/1_Pooling")}), kMean, {"1_Pooling"}},
        Refusal{"PoolingNoObject", kModules, json::array(), {"1_Pooling/config.json"}},
        Refusal{"UnknownPooling",
                kModules,
                {{"pooling_mode_weightedmean_tokens", true}},
                {"1_Pooling/config.json", "pooling_mode_weightedmean_tokens", "pooling_mode_mean_tokens"}},
        Refusal{"NoPooling", kModules, json::object(), {"1_Pooling/config.json", "accepted are"}},
        Refusal{"TwoPoolings",
                kModules,
                {{"pooling_mode_mean_tokens", true}, {"pooling_mode_cls_token", true}},
                {"pooling_mode_cls_token", "pooling_mode_mean_tokens", "one pooling mode"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PoolingConfigTest, AMissingPoolingFileIsNamed) {
  const TemporaryFolder folder;
  WriteFile(folder / "modules.json", kModules.dump());
  const auto modules = ReadModules(folder.path().string());
  EXPECT_EQ(modules.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(modules.status().message()), HasSubstr("1_Pooling/config.json"));
}

}  // namespace
}  // namespace kprune
