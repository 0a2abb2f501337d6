#include "engine/evaluation/model_card.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/evaluation/loading_examples.h"
#include "engine/evaluation/number_text.h"
#include "engine/evaluation/report_fields.h"
#include "engine/evaluation/reproducing_command.h"
#include "engine/model/family.h"
#include "kprune/supported_models.h"

namespace kprune {
namespace {

using nlohmann::json;

// Text of the report within Markdown: what could be markup is escaped, and it stays on its line.
std::string Plain(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      plain += ' ';
      continue;
    }
    if (std::string_view("\\`*[]<>#|~&!").find(c) != std::string_view::npos) plain += '\\';
    plain += c;
  }
  return plain;
}

std::string PlainAt(const json& report, const char* pointer) { return Plain(TextIn(report, pointer)); }

// A block of code that nothing in `text` ends.
std::string CodeBlock(std::string_view language, const std::string& text) {
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  return absl::StrCat(fence, std::string(language), "\n", text, "\n", fence, "\n");
}

// The name that model hubs know a metric by; "" for one that they do not.
std::string HubMetric(const std::string& name) {
  static const auto* const names = new std::map<std::string, std::string>{{"accuracy", "accuracy"},
                                                                          {"micro_f1", "f1"},
                                                                          {"spearman", "spearmanr"},
                                                                          {"pearson", "pearsonr"},
                                                                          {"entity_f1", "seqeval"},
                                                                          {"token_accuracy", "accuracy"},
                                                                          {"f1", "f1"}};
  const auto found = names->find(name);
  return found == names->end() ? "" : found->second;
}

// The name that model hubs know a task by.
std::string HubTask(const json& report, const std::string& task) {
  const Family* const family = FindFamily(TextIn(report, "/family"));
  const bool images = family != nullptr && family->patches != nullptr;
  return images && task == "feature-extraction" ? "image-feature-extraction" : task;
}

std::string Header(const json& report) {
  std::string header = "---\nlibrary_name: transformers\n";
  if (const std::string task = TextIn(report, "/task");
      std::find(kTasks.begin(), kTasks.end(), task) != kTasks.end())
    absl::StrAppend(&header, "pipeline_tag: ", HubTask(report, task), "\n");
  absl::StrAppend(&header, "tags:\n- kprune\n- pruning\n");
  if (const std::string metric = HubMetric(TextIn(report, "/metric/name")); !metric.empty())
    absl::StrAppend(&header, "metrics:\n- ", metric, "\n");
  return absl::StrCat(header, "---\n\n");
}

std::string SizeRow(const json& report, const std::string& field, std::string_view label,
                    std::string (*text)(double)) {
  const auto original = NumberIn(report, absl::StrCat("/", field, "/original").c_str());
  const auto kept = NumberIn(report, absl::StrCat("/", field, "/kept").c_str());
  if (!original || !kept || *original <= 0) return "";
  return absl::StrCat("| ", std::string(label), " | ", text(*original), " | ", text(*kept), " | ",
                      PercentText(*kept / *original), " |\n");
}

std::string MetricRow(const json& report) {
  const auto original = NumberIn(report, "/metric/original"), pruned = NumberIn(report, "/metric/pruned");
  if (!original || !pruned) return "";
  const auto interval = IntervalIn(report, "/metric/difference/interval95");
  return absl::StrCat("| ", PlainAt(report, "/metric/name"), " on ", PlainAt(report, "/metric/n"),
                      " samples | ", DecimalText(*original), " | ", DecimalText(*pruned), " | ",
                      PointsText(*pruned - *original), " points",
                      interval ? absl::StrCat(" (95 %: ", PointsIntervalText(*interval), ")") : "", " |\n");
}

// Where the model is not all that it was to become.
std::string EndedEarly(const json& report) {
  const std::string text = EndedEarlyText(report);
  return text.empty() ? ""
                      : absl::StrCat("The job was ", Plain(text), ", the others are the original's.\n\n");
}

std::string BeforeAfter(const json& report) {
  return absl::StrCat("| | original | pruned | |\n| --- | --- | --- | --- |\n",
                      SizeRow(report, "flops", "FLOPs a sequence, of heads and neurons", CountText),
                      SizeRow(report, "parameters", "parameters", CountText),
                      SizeRow(report, "file_bytes", "file size", BytesText), MetricRow(report),
                      "\nMeasured latency is in `report.html`.\n\n");
}

std::string LayerTable(const json& report) {
  struct Cells {
    std::string layers, heads, neurons;
  };
  std::map<int, Cells> layers;
  for (const json& sublayer : FieldAt(report, "/sublayers")) {
    Cells& cells = layers[static_cast<int>(NumberIn(sublayer, "/layer").value_or(0))];
    cells.layers = LayersText(sublayer);
    (IsAttention(sublayer) ? cells.heads : cells.neurons) =
        absl::StrCat(PlainAt(sublayer, "/kept"), " of ", PlainAt(sublayer, "/units"));
  }
  std::string table = "| layer | heads | neurons |\n| --- | --- | --- |\n";
  for (const auto& [layer, cells] : layers)
    absl::StrAppend(&table, "| ", cells.layers, " | ", cells.heads, " | ", cells.neurons, " |\n");
  return absl::StrCat(table, "\n");
}

// Of the number of agreement that says most.
std::string AgreementText(const json& report) {
  const std::string name = MainAgreement(report);
  if (name.empty()) return "";
  const double value = *NumberIn(report, absl::StrCat("/agreement/", name).c_str());
  const auto interval = IntervalIn(report, absl::StrCat("/agreement/interval95/", name).c_str());
  const bool tokens = NumberIn(report, "/agreement/tokens").has_value();
  const std::string what = name == "top1"
                               ? absl::StrCat("gives the same answer as the original at a share of ",
                                              tokens ? "the tokens of " : "")
                           : name == "cosine" ? "gives embeddings whose mean cosine with the original's is "
                                              : "gives values whose rank correlation with the original's is ";
  return absl::StrCat("It ", what, DecimalText(value),
                      interval ? absl::StrCat(" (95 %: ", IntervalText(*interval), ")") : "", ", on ",
                      PlainAt(report, "/agreement/n"), " samples that did not prune. ");
}

std::string Judgement(const json& report) {
  std::string text = AgreementText(report);
  if (NumberIn(report, "/metric/pruned")) {
    absl::StrAppend(&text, "The metric in the table is from ", PlainAt(report, "/metric/n"),
                    " labelled samples, original and pruned on the same ones. ");
  }
  if (text.empty())
    text = "No samples were there to judge it with: compare it with the original before you use it. ";
  std::vector<std::string> runs;
  for (const json& format : FieldAt(report, "/verification/formats"))
    runs.push_back(absl::StrCat(PlainAt(format, "/format"), " by ", PlainAt(format, "/by")));
  if (!runs.empty())
    absl::StrAppend(&text, "Every format was read again and compared with the model in memory: ",
                    absl::StrJoin(runs, ", "), ". ");
  return absl::StrCat(text,
                      "\n\nWhat this does not say: the intervals are about samples like those that judged. "
                      "On data unlike the ",
                      PlainAt(report, "/samples"),
                      " samples that pruned it (another domain, language or length) it may lose more, and it "
                      "may lose more for rare classes "
                      "than for all. It has the original's biases, knowledge and licence.\n\n");
}

}  // namespace

std::string ModelCard(const json& report) {
  const auto ratio = NumberIn(report, "/flops/ratio");
  const std::string family = PlainAt(report, "/family"), task = PlainAt(report, "/task");
  return absl::StrCat(
      Header(report), "# A pruned ", family, " model\n\nA ", family, " model (", task,
      ") that was made smaller and faster without retraining: whole attention heads and neurons were "
      "removed, and the others "
      "refitted to take over. It keeps ",
      ratio ? PercentText(*ratio) : "a part", " of the FLOPs. Made by kprune ",
      PlainAt(report, "/versions/kprune"), ", method ", PlainAt(report, "/method"), ", from ",
      PlainAt(report, "/samples"), " samples. `report.html` shows how; `report.json` has every number.\n\n",
      EndedEarly(report), BeforeAfter(report), "## Loading\n\n", LoadingExamples(report),
      "## What was pruned\n\nKept of the original's, from the bottom of the model up; which ones is in "
      "`config.json`:\n\n",
      LayerTable(report), "## How it was judged, and what that does not say\n\n", Judgement(report),
      "## Making it again\n\nMODEL is the folder of the original, OUTPUT a new one:\n\n",
      CodeBlock("sh", ReproducingCommand(report)));
}

}  // namespace kprune
