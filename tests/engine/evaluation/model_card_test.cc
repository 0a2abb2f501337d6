#include "engine/evaluation/model_card.h"

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/evaluation/example_report.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(ModelCardTest, Examples) {
  const std::string card = ModelCard(ExampleReport());
  EXPECT_THAT(
      card, StartsWith("---\nlibrary_name: transformers\npipeline_tag: text-classification\ntags:\n- kprune\n"
                       "- pruning\nmetrics:\n- accuracy\n---\n\n# A pruned bert model\n"));
  EXPECT_THAT(card, HasSubstr("| FLOPs a sequence, of heads and neurons | 2.00 G | 998 M | 49.9 % |\n"));
  EXPECT_THAT(card,
              HasSubstr("| accuracy on 872 samples | 0.91 | 0.9 | -1.00 points (95 %: -2.51 to +0.50) |\n"));
  EXPECT_THAT(card,
              HasSubstr("AutoModelForSequenceClassification.from_pretrained(\".\", trust_remote_code=True)"));
  EXPECT_THAT(card, HasSubstr("onnxruntime.InferenceSession(\"onnx/model.onnx\")"));
  EXPECT_THAT(card, HasSubstr("torch.jit.load(\"model.torchscript.pt\")"));
  EXPECT_THAT(card, HasSubstr("| 0 | 12 of 12 | 800 of 1536 |\n| 1 | 0 of 12 | 10 of 1536 |\n"));
  EXPECT_THAT(card, HasSubstr("at a share of 0.956 (95 %: 0.92 to 0.98), on 205 samples"));
  EXPECT_THAT(card, HasSubstr("```sh\nkprune run MODEL \\\n  --data samples.jsonl"));
}

TEST(ModelCardTest, OnlyFormatsThatAreThereAreSpokenOf) {
  json report = ExampleReport();
  EXPECT_THAT(ModelCard(report),
              AllOf(Not(HasSubstr("dense")), Not(HasSubstr("triton")), Not(HasSubstr("sentence"))));
  report["verification"]["formats"] = {{{"format", "safetensors"}, {"by", "kprune"}},
                                       {{"format", "dense"}, {"by", "kprune"}}};
  report["options"]["export"] = {"safetensors", "dense", "triton"};
  report["inputs"]["model/modules.json"] = "dd";
  report["family"] = "distilbert";
  report["task"] = "feature-extraction";
  report["metric"] = nullptr;
  report["agreement"] = nullptr;
  const std::string card = ModelCard(report);
  EXPECT_THAT(card, AllOf(Not(HasSubstr("onnx/")), Not(HasSubstr("torchscript")), Not(HasSubstr("metrics:")),
                          Not(HasSubstr("accuracy"))));
  EXPECT_THAT(card, AllOf(HasSubstr("DistilBertModel.from_pretrained(\"dense\")"),
                          HasSubstr("AutoModel.from_pretrained"), HasSubstr("SentenceTransformer("),
                          HasSubstr("--model-repository=triton"),
                          HasSubstr("pipeline_tag: feature-extraction"), HasSubstr("No samples were there")));
}

TEST(ModelCardTest, NothingInItWasTimed) {
  json report = ExampleReport();
  const std::string card = ModelCard(report);
  report["seconds"] = {{"total", 9}};
  report["latency"] = {{"original_ms", 1}, {"pruned_ms", 77}};
  report["peak_memory_bytes"] = 5;
  report["plan"]["resumed_sublayers"] = 0;
  report["max_drop"] = {{"points", 2}};
  for (json& sublayer : report["sublayers"]) sublayer["seconds"]["tune"] = 55;
  EXPECT_EQ(ModelCard(report), card);
}

TEST(ModelCardTest, NoTextOfAReportBecomesMarkup) {
  json report = ExampleReport();
  report["family"] = "bert</p><script>\n# title\n![x](y)|";
  report["task"] = "x\nlicense: mit";
  report["metric"]["name"] = "a|b`c";
  report["inputs"]["data/```\n# out\n"] = "aa";
  const std::string card = ModelCard(report);
  EXPECT_THAT(card, AllOf(Not(HasSubstr("\n<")), HasSubstr("\\<script"), Not(HasSubstr("\n# title")),
                          Not(HasSubstr("\nlicense")), Not(HasSubstr("![x"))));
  EXPECT_THAT(card, HasSubstr("a\\|b\\`c on 872"));
  EXPECT_THAT(card, HasSubstr("````sh\n")) << "a longer fence than any in the command";
  EXPECT_THAT(ModelCard(json::object()), StartsWith("---\n"));
}

}  // namespace
}  // namespace kprune
