#include "engine/model/model_config.h"

#include <functional>
#include <string>
#include <vector>

#include "engine/formats/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/process.h"
#include "tests/support/tiny_model.h"

namespace kprune {
namespace {

using ::kprune::testing::TemporaryFolder;
using ::kprune::testing::TinyModel;
using ::kprune::testing::WriteFile;
using ::kprune::testing::WriteTinyModel;
using nlohmann::json;
using ::testing::HasSubstr;

using Edit = std::function<void(json&)>;

// Reads a tiny model whose config.json was edited.
absl::StatusOr<ModelConfig> ReadEdited(const TinyModel& model, const Edit& edit,
                                       const Options& options = {}) {
  const TemporaryFolder folder;
  WriteTinyModel(folder.path(), model);
  json config = *ReadJsonFile(folder / "config.json");
  edit(config);
  WriteFile(folder / "config.json", config.dump());
  return ReadModelConfig(folder.path().string(), options);
}

const TinyModel kClassifier = {.task = "text-classification", .labels = 3};
const TinyModel kDistilBert = {.family = "distilbert", .task = "text-classification", .labels = 2};
const Edit kNoEdit = [](json&) {};

TEST(ModelConfigTest, Examples) {
  const ModelConfig config = *ReadEdited(kClassifier, kNoEdit);
  EXPECT_STREQ(config.family->model_type, "bert");
  EXPECT_EQ(config.task, Task::kSingleLabel);
  EXPECT_STREQ(config.task_name(), "text-classification");
  EXPECT_EQ(config.num_layers, 2);
  EXPECT_EQ(config.hidden_size, 32);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.num_labels, 3);
  EXPECT_EQ(config.label2id.at("LABEL_2"), 2);
  EXPECT_EQ(config.heads, (std::vector<std::vector<int64_t>>(2, {0, 1, 2, 3})));
  EXPECT_EQ(config.neurons[1].size(), 64u);
}

TEST(ModelConfigTest, DistilBertUsesItsOwnNames) {
  const ModelConfig config = *ReadEdited(kDistilBert, kNoEdit);
  EXPECT_EQ(config.num_heads, 4);
  EXPECT_EQ(config.intermediate_size, 64);
  EXPECT_EQ(config.type_vocab_size, 0);
}

TEST(ModelConfigTest, TheTaskFollowsProblemTypeLabelsAndModules) {
  const auto task = [](const TinyModel& model, const Edit& edit, const std::string& requested = "auto") {
    Options options;
    options.task = requested;
    const absl::StatusOr<ModelConfig> config = ReadEdited(model, edit, options);
    EXPECT_TRUE(config.ok()) << config.status();
    return config->task;
  };
  const Edit no_problem = [](json& config) { config.erase("problem_type"); };
  EXPECT_EQ(task({}, kNoEdit), Task::kEmbedding);
  EXPECT_EQ(task({.sentence_encoder = true}, kNoEdit), Task::kEmbedding);
  EXPECT_EQ(task(kClassifier, no_problem), Task::kSingleLabel);
  EXPECT_EQ(task({.task = "text-classification", .labels = 1, .problem_type = "regression"}, no_problem),
            Task::kRegression);
  EXPECT_EQ(task({.task = "text-classification", .problem_type = "multi_label_classification"}, kNoEdit),
            Task::kMultiLabel);
  EXPECT_EQ(task(kClassifier, kNoEdit, "feature-extraction"), Task::kEmbedding);
  EXPECT_EQ(task({.task = "token-classification"}, kNoEdit), Task::kTokenClassification);
  EXPECT_EQ(task({.task = "question-answering"}, kNoEdit), Task::kQuestionAnswering);
  EXPECT_EQ(task({.family = "distilbert", .task = "fill-mask"}, kNoEdit), Task::kMaskedLm);
  EXPECT_EQ(task({.task = "multiple-choice"}, kNoEdit), Task::kMultipleChoice);
  EXPECT_EQ(task(
                {}, [](json& config) { config["architectures"] = {"BertForPreTraining"}; }, "fill-mask"),
            Task::kMaskedLm);
}

TEST(ModelConfigTest, DefaultsAreThoseOfTransformers) {
  const ModelConfig config = *ReadEdited(kClassifier, [](json& config) {
    for (const char* key :
         {"layer_norm_eps", "hidden_act", "position_embedding_type", "problem_type", "id2label", "label2id"})
      config.erase(key);
  });
  EXPECT_EQ(config.layer_norm_eps, 1e-12);
  EXPECT_EQ(config.activation, "gelu");
  EXPECT_EQ(config.num_labels, 2);
}

TEST(ModelConfigTest, OptionsOverruleTheModulesFile) {
  const TinyModel encoder = {.sentence_encoder = true};  // mean, normalised
  EXPECT_EQ(ReadEdited(encoder, kNoEdit)->pooling, Pooling::kMean);
  EXPECT_TRUE(ReadEdited(encoder, kNoEdit)->normalize);
  Options options;
  options.pooling = "cls";
  options.normalize = false;
  EXPECT_EQ(ReadEdited(encoder, kNoEdit, options)->pooling, Pooling::kCls);
  EXPECT_FALSE(ReadEdited(encoder, kNoEdit, options)->normalize);
}

struct Refusal {
  const char* name;
  Edit edit;
  std::vector<std::string> message;  // parts of it
  TinyModel model = kClassifier;
};

void PrintTo(const Refusal& value, std::ostream* out) { *out << value.name; }

class ConfigRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(ConfigRefusalTest, NamesTheField) {
  const absl::StatusOr<ModelConfig> config = ReadEdited(GetParam().model, GetParam().edit);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(config.status().message());
  EXPECT_THAT(message, HasSubstr("config.json"));
  for (const std::string& part : GetParam().message) EXPECT_THAT(message, HasSubstr(part));
}

Edit Set(const char* key, json value) {
  return [=](json& config) { config[key] = value; };
}
Edit Erase(const char* key) {
  return [=](json& config) { config.erase(key); };
}
Edit Kept(json heads, json neurons) {
  return [=](json& config) { config["kprune"] = {{"kept_heads", heads}, {"kept_neurons", neurons}}; };
}
const json kAllNeurons = {{0, 1}, {2}};

INSTANTIATE_TEST_SUITE_P(
    Fields, ConfigRefusalTest,
    ::testing::Values(
        Refusal{"NotAnObject", [](json& config) { config = json::array({1}); }, {"not an object"}},
        Refusal{
            "UnknownFamily", Set("model_type", "longformer"), {"model_type", "longformer", "albert, bert"}},
        Refusal{"NoFamily", Erase("model_type"), {"model_type", "null"}},
        Refusal{"FamilyNoText", Set("model_type", 7), {"model_type", "7"}},
        Refusal{"MissingHiddenSize", Erase("hidden_size"), {"\"hidden_size\" is missing"}},
        Refusal{"MissingDim", Erase("dim"), {"\"dim\" is missing"}, kDistilBert},
        Refusal{"MissingTypes", Erase("type_vocab_size"), {"\"type_vocab_size\" is missing"}},
        Refusal{"TextAsLayers", Set("num_hidden_layers", "2"), {"num_hidden_layers", "\"2\"", "integer"}},
        Refusal{"FractionalLayers", Set("num_hidden_layers", 2.0), {"num_hidden_layers", "2.0"}},
        Refusal{"NegativeHeads", Set("num_attention_heads", -4), {"num_attention_heads", "-4"}},
        Refusal{"NoVocabulary", Set("vocab_size", 0), {"vocab_size", "0"}},
        Refusal{"AbsurdWidth", Set("intermediate_size", int64_t{1} << 40), {"intermediate_size"}},
        Refusal{"AbsurdlyManyUnits",
                [](json& config) {
                  config["num_hidden_layers"] = 1024;
                  config["intermediate_size"] = 1 << 20;
                },
                {"1073745920 heads and neurons", "16777216"}},
        Refusal{"OverflowingPositions",
                Set("max_position_embeddings", UINT64_MAX),
                {"max_position_embeddings", "18446744073709551615"}},
        Refusal{"HiddenNotMultipleOfHeads",
                Set("num_attention_heads", 5),
                {"hidden_size", "32", "num_attention_heads", "5", "multiple"}},
        Refusal{"ZeroEpsilon", Set("layer_norm_eps", 0), {"layer_norm_eps", "(0, 1]"}},
        Refusal{"TextEpsilon", Set("layer_norm_eps", "1e-12"), {"layer_norm_eps"}},
        Refusal{"UnknownActivation", Set("hidden_act", "swiglu"), {"hidden_act", "swiglu", "gelu_new"}},
        Refusal{"ActivationNoText", Set("hidden_act", nullptr), {"hidden_act", "null"}},
        Refusal{"RelativePositions",
                Set("position_embedding_type", "relative_key"),
                {"position_embedding_type", "relative_key", "absolute"}},
        Refusal{"Decoder", Set("is_decoder", true), {"is_decoder", "true", "encoder"}},
        Refusal{"CrossAttention", Set("add_cross_attention", true), {"add_cross_attention", "true"}},
        Refusal{"LabelsNoObject", Set("id2label", json::array({"a", "b"})), {"id2label"}},
        Refusal{"NoLabels", Set("id2label", json::object()), {"id2label"}},
        Refusal{"LabelIdTooLarge", Set("label2id", {{"yes", 3}}), {"label2id", "yes", "3", "0 to 2"}},
        Refusal{"LabelIdNegative", Set("label2id", {{"yes", -1}}), {"label2id", "yes", "-1"}},
        Refusal{"LabelIdNoNumber", Set("label2id", {{"yes", "1"}}), {"label2id", "yes"}},
        Refusal{"LabelIdsNoObject", Set("label2id", 3), {"label2id"}},
        Refusal{"UnknownProblem", Set("problem_type", "ranking"), {"problem_type", "ranking", "regression"}},
        Refusal{"OneClass", kNoEdit, {"one label"}, {.task = "text-classification", .labels = 1}},
        Refusal{"AnotherTask",
                Set("architectures", {"BertForPreTraining"}),
                {"BertForPreTraining", "--task", "fill-mask", "question-answering"}},
        Refusal{"NoArchitecture", Erase("architectures"), {"\"architectures\" is null", "--task"}},
        Refusal{"LabelsOfASpan",
                Set("architectures", {"BertForQuestionAnswering"}),
                {"3 labels", "the start and the end"},
                kClassifier},
        Refusal{"UntiedTokens",
                Set("tie_word_embeddings", false),
                {"tie_word_embeddings"},
                {.task = "fill-mask"}}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(
    KPruneObject, ConfigRefusalTest,
    ::testing::Values(
        Refusal{"NoObject", Set("kprune", 1), {"\"kprune\" is not an object"}},
        Refusal{"NoHeads", Set("kprune", json::object()), {"kprune.kept_heads", "2 lists"}},
        Refusal{
            "NoNeurons", Set("kprune", {{"kept_heads", {{0}, {1}}}}), {"kprune.kept_neurons", "below 64"}},
        Refusal{"TooFewLayers", Kept({{0}}, kAllNeurons), {"kprune.kept_heads"}},
        Refusal{"LayerNoList", Kept({{0}, 1}, kAllNeurons), {"kprune.kept_heads"}},
        Refusal{"HeadTooLarge", Kept({{0}, {4}}, kAllNeurons), {"kprune.kept_heads", "below 4"}},
        Refusal{"Falling", Kept({{0}, {2, 1}}, kAllNeurons), {"kprune.kept_heads", "rising"}},
        Refusal{"Twice", Kept({{0}, {1, 1}}, kAllNeurons), {"kprune.kept_heads"}},
        Refusal{"Negative", Kept({{0}, {-1}}, kAllNeurons), {"kprune.kept_heads"}},
        Refusal{"Overflowing", Kept({{0}, {UINT64_MAX}}, kAllNeurons), {"kprune.kept_heads"}},
        Refusal{"Fraction", Kept({{0}, {1.0}}, kAllNeurons), {"kprune.kept_heads"}},
        Refusal{"NeuronTooLarge", Kept({{0}, {1}}, {{0}, {64}}), {"kprune.kept_neurons"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ModelConfigTest, RefusesAFolderWithoutAConfiguration) {
  const TemporaryFolder folder;
  EXPECT_EQ(ReadModelConfig(folder.path().string(), {}).status().code(), absl::StatusCode::kNotFound);
  WriteFile(folder / "config.json", "{\"model_type\": \"bert\", \"model_type\": \"bert\"}");
  EXPECT_EQ(ReadModelConfig(folder.path().string(), {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kprune
