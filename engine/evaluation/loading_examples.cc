#include "engine/evaluation/loading_examples.h"

#include "absl/strings/str_cat.h"
#include "engine/evaluation/report_fields.h"
#include "engine/model/family.h"
#include "engine/model/task.h"

namespace kprune {
namespace {

using nlohmann::json;

bool HasFormat(const json& report, const std::string& name) {
  for (const json& format : FieldAt(report, "/verification/formats")) {
    if (TextIn(format, "/format") == name) return true;
  }
  return false;
}

bool HasExport(const json& report, const std::string& name) {
  for (const json& wanted : FieldAt(report, "/options/export")) {
    if (wanted == name) return true;
  }
  return false;
}

// "ForSequenceClassification", or "Model" of a base model.
std::string ClassSuffix(const json& report) {
  const std::string task = TextIn(report, "/task");
  for (const TaskNames& names : kTaskNames) {
    if (task == names.name && names.classes != nullptr) return absl::StrCat("For", names.classes);
  }
  return "Model";
}

std::string Transformers(const json& report) {
  const std::string suffix = ClassSuffix(report);
  const std::string auto_class = suffix == "Model" ? "AutoModel" : absl::StrCat("AutoModel", suffix);
  std::string text = absl::StrCat(
      "Transformers 4.57 and 5 read `modeling_kprune.py` in this folder, which builds layers of uneven size; "
      "read it "
      "before you trust it:\n\n```python\nfrom transformers import ",
      auto_class, ", AutoTokenizer\n\ntokenizer = AutoTokenizer.from_pretrained(\".\")\nmodel = ", auto_class,
      ".from_pretrained(\".\", trust_remote_code=True)\n```\n\n");
  if (FieldAt(report, "/inputs").contains("model/modules.json")) {
    absl::StrAppend(
        &text,
        "Sentence Transformers:\n\n```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        "model = SentenceTransformer(\".\", trust_remote_code=True)\n```\n\n");
  }
  return text;
}

std::string Dense(const json& report) {
  const Family* const family = FindFamily(TextIn(report, "/family"));
  const std::string name =
      absl::StrCat(family == nullptr ? "Auto" : family->class_prefix, ClassSuffix(report));
  return absl::StrCat(
      "Without any code of this folder, in the shapes of the original (the same outputs, but neither smaller "
      "nor "
      "faster):\n\n```python\nfrom transformers import ",
      name, "\n\nmodel = ", name, ".from_pretrained(\"dense\")\n```\n\n");
}

std::string Onnx() {
  return "ONNX Runtime:\n\n```python\nimport onnxruntime\nfrom transformers import AutoTokenizer\n\n"
         "tokenizer = AutoTokenizer.from_pretrained(\".\")\n"
         "session = onnxruntime.InferenceSession(\"onnx/model.onnx\")\n"
         "encoded = tokenizer([\"a text\"], padding=True, truncation=True, return_tensors=\"np\")\n"
         "names = [tensor.name for tensor in session.get_inputs()]\n"
         "outputs = session.run(None, {name: encoded[name] for name in names})\n```\n\n";
}

std::string TorchScript(bool distilbert) {
  return absl::StrCat(
      "TorchScript, in Python or with LibTorch in C++:\n\n```python\nimport torch\n\n"
      "model = torch.jit.load(\"model.torchscript.pt\")\n"
      "encoded = tokenizer([\"a text\"], padding=True, truncation=True, return_tensors=\"pt\")\n"
      "outputs = model(encoded[\"input_ids\"], encoded[\"attention_mask\"]",
      distilbert ? "" : ", encoded[\"token_type_ids\"]", ")\n```\n\n");
}

}  // namespace

std::string LoadingExamples(const json& report) {
  const bool distilbert = TextIn(report, "/family") == "distilbert";
  std::string text = Transformers(report);
  if (HasFormat(report, "dense")) text += Dense(report);
  if (HasFormat(report, "onnx")) text += Onnx();
  if (HasFormat(report, "torchscript")) text += TorchScript(distilbert);
  if (HasExport(report, "triton"))
    text += "Triton Inference Server: `tritonserver --model-repository=triton`.\n\n";
  return text;
}

}  // namespace kprune
