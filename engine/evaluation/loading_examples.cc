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

bool LooksAtImages(const json& report) {
  const Family* const family = FindFamily(TextIn(report, "/family"));
  return family != nullptr && family->patches != nullptr;
}

// The class and the line that make what is not the model: what prepares its inputs.
std::string PreparingClass(const json& report) {
  return LooksAtImages(report) ? "AutoImageProcessor" : "AutoTokenizer";
}
std::string MakePreparing(const json& report) {
  return absl::StrCat(LooksAtImages(report) ? "processor" : "tokenizer", " = ", PreparingClass(report),
                      ".from_pretrained(\".\")\n");
}

std::string AutoClass(const json& report) {
  const std::string suffix = ClassSuffix(report);
  return suffix == "Model" ? "AutoModel" : absl::StrCat("AutoModel", suffix);
}

std::string Transformers(const json& report) {
  const std::string auto_class = AutoClass(report);
  std::string text = absl::StrCat(
      "Transformers 4.57 and 5 read `modeling_kprune.py` in this folder, which builds layers of uneven size; "
      "read it "
      "before you trust it:\n\n```python\nfrom transformers import ",
      auto_class, ", ", PreparingClass(report), "\n\n", MakePreparing(report), "model = ", auto_class,
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
  // DeiT has two classes for one task.
  const std::string name =
      LooksAtImages(report)
          ? AutoClass(report)
          : absl::StrCat(family == nullptr ? "Auto" : family->class_prefix, ClassSuffix(report));
  return absl::StrCat(
      "Without any code of this folder, in the shapes of the original (the same outputs, but neither smaller "
      "nor "
      "faster):\n\n```python\nfrom transformers import ",
      name, "\n\nmodel = ", name, ".from_pretrained(\"dense\")\n```\n\n");
}

// The line that prepares inputs, as tensors of `kind`: "np" or "pt".
std::string Encoded(const json& report, const std::string& kind) {
  return absl::StrCat("encoded = ",
                      LooksAtImages(report) ? "processor(images=[image]"
                                            : "tokenizer([\"a text\"], padding=True, truncation=True, "
                                              "return_token_type_ids=True",
                      ", return_tensors=\"", kind, "\")", LooksAtImages(report) ? "  # of PIL.Image" : "",
                      "\n");
}

std::string Onnx(const json& report) {
  return absl::StrCat("ONNX Runtime:\n\n```python\nimport onnxruntime\nfrom transformers import ",
                      PreparingClass(report), "\n\n", MakePreparing(report),
                      "session = onnxruntime.InferenceSession(\"onnx/model.onnx\")\n", Encoded(report, "np"),
                      "names = [tensor.name for tensor in session.get_inputs()]\n"
                      "outputs = session.run(None, {name: encoded[name] for name in names})\n```\n\n");
}

std::string TorchScript(const json& report) {
  return absl::StrCat(
      "TorchScript, in Python or with LibTorch in C++:\n\n```python\nimport torch\n\n"
      "model = torch.jit.load(\"model.torchscript.pt\")\n",
      Encoded(report, "pt"),
      "names = [argument.name for argument in model.forward.schema.arguments[1:]]\n"
      "outputs = model(*[encoded[name] for name in names])\n```\n\n");
}

}  // namespace

std::string LoadingExamples(const json& report) {
  std::string text = Transformers(report);
  if (HasFormat(report, "dense")) text += Dense(report);
  if (HasFormat(report, "onnx")) text += Onnx(report);
  if (HasFormat(report, "torchscript")) text += TorchScript(report);
  if (HasExport(report, "triton"))
    text += "Triton Inference Server: `tritonserver --model-repository=triton`.\n\n";
  return text;
}

}  // namespace kprune
