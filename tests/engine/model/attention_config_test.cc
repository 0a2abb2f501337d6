#include "engine/model/attention_config.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr int kLayers = 4, kPositions = 64;

absl::StatusOr<AttentionConfig> Read(const char* family, const json& config) {
  return ReadAttentionConfig(config, *FindFamily(family), kLayers, kPositions);
}

TEST(AttentionConfigTest, Examples) {
  // ModernBERT as transformers 4 writes it: every third layer sees all tokens, the others 64 on either side.
  const AttentionConfig older = *Read("modernbert", {{"local_attention", 128},
                                                     {"global_attn_every_n_layers", 3},
                                                     {"global_rope_theta", 160000.0},
                                                     {"local_rope_theta", 10000.0}});
  EXPECT_EQ(older.window, 64);
  EXPECT_EQ(older.local, (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(older.rotary_theta, 160000);
  EXPECT_EQ(older.local_rotary_theta, 10000);

  // And as transformers 5 does.
  const AttentionConfig newer =
      *Read("modernbert",
            {{"local_attention", 128},
             {"layer_types", {"full_attention", "sliding_attention", "sliding_attention", "full_attention"}},
             {"rope_parameters",
              {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 160000.0}}},
               {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10000.0}}}}}});
  EXPECT_EQ(newer.window, older.window);
  EXPECT_EQ(newer.local, older.local);
  EXPECT_EQ(newer.rotary_theta, older.rotary_theta);
  EXPECT_EQ(newer.local_rotary_theta, older.local_rotary_theta);
}

TEST(AttentionConfigTest, BertHasNothingOfItsOwn) {
  const AttentionConfig config = *Read("bert", json::object());
  EXPECT_EQ(config.rotary_theta, 0);
  EXPECT_EQ(config.span, 0);
  EXPECT_EQ(config.local, std::vector<bool>(kLayers, false));
}

TEST(AttentionConfigTest, DebertaVersionThree) {
  const AttentionConfig config = *Read("deberta-v2", {{"relative_attention", true},
                                                      {"pos_att_type", "p2c|c2p"},
                                                      {"position_buckets", 256},
                                                      {"max_relative_positions", -1},
                                                      {"share_att_key", true},
                                                      {"norm_rel_ebd", "layer_norm"}});
  EXPECT_TRUE(config.as_keys && config.as_queries && config.shared_projections && config.normalized);
  EXPECT_EQ(config.span, 256);
  EXPECT_EQ(config.max_distance, kPositions);
}

struct Refusal {
  const char* name;
  const char* family;
  json config;
  std::vector<std::string> message;
};

void PrintTo(const Refusal& value, std::ostream* out) { *out << value.name; }

class AttentionConfigRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(AttentionConfigRefusalTest, NamesTheField) {
  const auto config = Read(GetParam().family, GetParam().config);
  ASSERT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << config.status();
  for (const std::string& part : GetParam().message)
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, AttentionConfigRefusalTest,
    ::testing::Values(
        Refusal{"Scaled",
                "gte",
                {{"rope_parameters", {{"rope_type", "ntk"}, {"rope_theta", 10000.0}}}},
                {"rope_type", "ntk", "default"}},
        Refusal{"NoAngles", "gte", json::object(), {"rope_theta", "above 1"}},
        Refusal{"ThetaNoNumber", "nomic_bert", {{"rope_theta", "x"}}, {"rope_theta", "\"x\""}},
        Refusal{"Window", "modernbert", {{"local_attention", 0}}, {"local_attention", "0"}},
        Refusal{
            "TooFewKinds", "modernbert", {{"layer_types", {"full_attention"}}}, {"layer_types", "4 kinds"}},
        Refusal{"UnknownKind",
                "modernbert",
                {{"layer_types", {"full_attention", "linear", "linear", "linear"}}},
                {"layer_types", "linear"}},
        Refusal{"Absolute", "deberta-v2", {{"relative_attention", false}}, {"relative_attention", "true"}},
        Refusal{"Convolution",
                "deberta-v2",
                {{"relative_attention", true}, {"conv_kernel_size", 3}},
                {"conv_kernel_size", "3"}},
        Refusal{"PositionKind",
                "deberta-v2",
                {{"relative_attention", true}, {"pos_att_type", {"c2p", "p2p"}}},
                {"pos_att_type", "p2p"}},
        Refusal{"FewBuckets",
                "mpnet",
                {{"relative_attention_num_buckets", 16}},
                {"relative_attention_num_buckets", "16", "32"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace kprune
