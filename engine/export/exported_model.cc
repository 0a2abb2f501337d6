#include "engine/export/exported_model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

// Of the inputs.
std::vector<int64_t> ShapeOf(Task task, const PaddedBatch& batch) {
  if (!batch.pixel_shape.empty()) return batch.pixel_shape;
  if (task != Task::kMultipleChoice) return {batch.rows, batch.columns};
  return {batch.rows / batch.choices, batch.choices, batch.columns};
}

// Outputs of one padded batch are this many values at most, unless a sequence alone has more.
constexpr int64_t kMostPaddedOutputs = int64_t{1} << 25;

// How many of the first samples are run at once: kPaddedSequences, or fewer where their outputs are large; of
// multiple choice one sample's sequences.
size_t RunAtOnce(const ModelConfig& config, absl::Span<const Sample> samples) {
  if (config.task == Task::kMultipleChoice) {
    size_t end = 1;
    while (end < samples.size() && samples[end].choice > 0) ++end;
    return end;
  }
  if (!HasTokenOutputs(config.task)) return kPaddedSequences;
  int64_t longest = 1;
  for (const Sample& sample : samples.subspan(0, kPaddedSequences))
    longest = std::max(longest, sample.tokens());
  return std::clamp<int64_t>(kMostPaddedOutputs / (longest * config.num_labels), 1, kPaddedSequences);
}

// The rows of [N, S, C] that count.
at::Tensor RowsThatCount(const at::Tensor& outputs_NSC, absl::Span<const Sample> samples) {
  const int64_t longest = outputs_NSC.size(1);
  std::vector<int64_t> rows;
  for (size_t n = 0; n < samples.size(); ++n) {
    const auto begin = static_cast<int64_t>(n) * longest;
    for (const int32_t position : samples[n].positions) rows.push_back(begin + position);
    if (!samples[n].positions.empty()) continue;
    for (size_t t = 0; t < samples[n].input_ids.size(); ++t) rows.push_back(begin + static_cast<int64_t>(t));
  }
  return outputs_NSC.flatten(0, 1).index_select(0, at::tensor(rows, at::kLong));
}

class TorchScriptModel final : public ExportedModel {
 public:
  TorchScriptModel(torch::jit::Module module, std::string path, const Encoder& encoder)
      : module_(std::move(module)),
        path_(std::move(path)),
        task_(encoder.config.task),
        images_(encoder.config.patches.has_value()),
        token_types_(encoder.takes_token_types()) {}

  absl::StatusOr<at::Tensor> Run(PaddedBatch& batch) override {
    c10::NoGradGuard no_grad;
    const std::vector<int64_t> shape = ShapeOf(task_, batch);
    const auto tensor = [&](std::vector<int64_t>& values) {
      return at::from_blob(values.data(), shape, at::kLong);
    };
    std::vector<c10::IValue> inputs;
    if (images_) {
      inputs.emplace_back(at::from_blob(batch.pixel_values.data(), shape, at::kFloat));
    } else {
      inputs = {tensor(batch.input_ids), tensor(batch.attention_mask)};
      if (token_types_) inputs.emplace_back(tensor(batch.token_type_ids));
    }
    try {
      const c10::IValue output = module_.forward(std::move(inputs));
      if (task_ == Task::kQuestionAnswering) {
        const auto& elements = output.toTupleRef().elements();
        return at::stack({elements[0].toTensor(), elements[1].toTensor()}, 2);
      }
      if (task_ == Task::kMultipleChoice) return output.toTensor().reshape({batch.rows, 1});
      return output.isTuple() ? output.toTupleRef().elements()[1].toTensor() : output.toTensor();
    } catch (const std::exception& error) {
      return absl::DataLossError(absl::StrCat(path_, " cannot be run: ", error.what()));
    }
  }

 private:
  torch::jit::Module module_;
  const std::string path_;
  const Task task_;
  const bool images_, token_types_;
};

class OnnxModel final : public ExportedModel {
 public:
  OnnxModel(std::unique_ptr<OnnxRuntime::Session> session, const Encoder& encoder)
      : session_(std::move(session)),
        task_(encoder.config.task),
        outputs_(OutputNames(encoder.config)),
        images_(encoder.config.patches.has_value()),
        token_types_(encoder.takes_token_types()) {}

  absl::StatusOr<at::Tensor> Run(PaddedBatch& batch) override {
    std::map<std::string, OnnxRuntime::Values> inputs;
    const auto add = [&](const char* name, const auto& values) {
      inputs[name] = absl::MakeConstSpan(values);
    };
    if (images_) {
      add("pixel_values", batch.pixel_values);
    } else {
      add("input_ids", batch.input_ids);
      add("attention_mask", batch.attention_mask);
      if (token_types_) add("token_type_ids", batch.token_type_ids);
    }
    const auto found = session_->Run(inputs, ShapeOf(task_, batch), outputs_);
    if (!found.ok()) return found.status();
    std::vector<at::Tensor> outputs;
    for (const std::vector<float>& values : *found)
      outputs.push_back(at::tensor(values, at::kFloat).view({batch.rows, -1}));
    if (task_ == Task::kQuestionAnswering) return at::stack(outputs, 2);
    if (HasTokenOutputs(task_)) return outputs[0].view({batch.rows, batch.columns, -1});
    return task_ == Task::kMultipleChoice ? outputs[0].view({-1, 1}) : outputs[0];
  }

 private:
  const std::unique_ptr<OnnxRuntime::Session> session_;
  const Task task_;
  const std::vector<std::string> outputs_;
  const bool images_, token_types_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ExportedModel>> OpenTorchScript(const std::filesystem::path& path,
                                                               const Encoder& encoder) {
  try {
    return std::make_unique<TorchScriptModel>(torch::jit::load(path.string(), at::Device(at::kCPU)),
                                              path.string(), encoder);
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat(path.string(), " cannot be read: ", error.what()));
  }
}

absl::StatusOr<std::unique_ptr<ExportedModel>> OpenOnnx(const std::filesystem::path& path,
                                                        const Encoder& encoder, const OnnxRuntime& runtime) {
  absl::StatusOr<std::unique_ptr<OnnxRuntime::Session>> session = runtime.Open(path, at::get_num_threads());
  if (!session.ok()) return session.status();
  return std::make_unique<OnnxModel>(*std::move(session), encoder);
}

std::vector<std::string> OutputNames(const ModelConfig& config) {
  if (config.task == Task::kQuestionAnswering) return {"start_logits", "end_logits"};
  if (config.task == Task::kEmbedding) return {config.patches ? "image_embedding" : "sentence_embedding"};
  return {"logits"};
}

absl::StatusOr<at::Tensor> RunSamples(ExportedModel& model, const ModelConfig& config,
                                      absl::Span<const Sample> samples) {
  std::vector<at::Tensor> outputs;
  for (size_t begin = 0; begin < samples.size();) {
    const absl::Span<const Sample> some = samples.subspan(begin, RunAtOnce(config, samples.subspan(begin)));
    PaddedBatch batch(some);
    const absl::StatusOr<at::Tensor> output = model.Run(batch);
    if (!output.ok()) return output.status();
    outputs.push_back((HasTokenOutputs(config.task) ? RowsThatCount(*output, some) : *output).to(at::kFloat));
    begin += some.size();
  }
  return at::cat(outputs);
}

}  // namespace kprune
