#include "engine/export/exported_model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

class TorchScriptModel final : public ExportedModel {
 public:
  TorchScriptModel(torch::jit::Module module, std::string path, bool token_types)
      : module_(std::move(module)), path_(std::move(path)), token_types_(token_types) {}

  absl::StatusOr<at::Tensor> Run(PaddedBatch& batch) override {
    c10::NoGradGuard no_grad;
    const auto tensor = [&](std::vector<int64_t>& values) {
      return at::from_blob(values.data(), {batch.rows, batch.columns}, at::kLong);
    };
    std::vector<c10::IValue> inputs = {tensor(batch.input_ids), tensor(batch.attention_mask)};
    if (token_types_) inputs.emplace_back(tensor(batch.token_type_ids));
    try {
      const c10::IValue output = module_.forward(std::move(inputs));
      return output.isTuple() ? output.toTupleRef().elements()[1].toTensor() : output.toTensor();
    } catch (const std::exception& error) {
      return absl::DataLossError(absl::StrCat(path_, " cannot be run: ", error.what()));
    }
  }

 private:
  torch::jit::Module module_;
  const std::string path_;
  const bool token_types_;
};

class OnnxModel final : public ExportedModel {
 public:
  OnnxModel(std::unique_ptr<OnnxRuntime::Session> session, const Encoder& encoder)
      : session_(std::move(session)),
        token_types_(encoder.takes_token_types()),
        output_(encoder.config.task == Task::kEmbedding ? "sentence_embedding" : "logits") {}

  absl::StatusOr<at::Tensor> Run(PaddedBatch& batch) override {
    std::map<std::string, absl::Span<const int64_t>> inputs = {{"input_ids", batch.input_ids},
                                                               {"attention_mask", batch.attention_mask}};
    if (token_types_) inputs["token_type_ids"] = batch.token_type_ids;
    const absl::StatusOr<std::vector<float>> found =
        session_->Run(inputs, batch.rows, batch.columns, output_);
    if (!found.ok()) return found.status();
    return at::tensor(*found, at::kFloat).view({batch.rows, -1});
  }

 private:
  const std::unique_ptr<OnnxRuntime::Session> session_;
  const bool token_types_;
  const char* const output_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ExportedModel>> OpenTorchScript(const std::filesystem::path& path,
                                                               const Encoder& encoder) {
  try {
    return std::make_unique<TorchScriptModel>(torch::jit::load(path.string(), at::Device(at::kCPU)),
                                              path.string(), encoder.takes_token_types());
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

absl::StatusOr<at::Tensor> RunSamples(ExportedModel& model, absl::Span<const Sample> samples) {
  std::vector<at::Tensor> outputs;
  for (size_t begin = 0; begin < samples.size(); begin += kPaddedSequences) {
    PaddedBatch batch(samples.subspan(begin, kPaddedSequences));
    absl::StatusOr<at::Tensor> output_NC = model.Run(batch);
    if (!output_NC.ok()) return output_NC.status();
    outputs.push_back(output_NC->to(at::kFloat));
  }
  return at::cat(outputs);
}

}  // namespace kprune
