#include "engine/export/torchscript_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

class LoadedModule final : public TorchScriptModel {
 public:
  LoadedModule(torch::jit::Module module, std::string path, bool token_types)
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

}  // namespace

absl::StatusOr<std::unique_ptr<TorchScriptModel>> TorchScriptModel::Load(const std::filesystem::path& path,
                                                                         bool token_types) {
  try {
    return std::make_unique<LoadedModule>(torch::jit::load(path.string(), at::Device(at::kCPU)),
                                          path.string(), token_types);
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat(path.string(), " cannot be read: ", error.what()));
  }
}

}  // namespace kprune
