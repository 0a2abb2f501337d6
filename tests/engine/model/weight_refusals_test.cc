// What OpenModelFolder and LoadEncoder refuse: weights that do not fit config.json, or are not finite.
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "engine/formats/checkpoint.h"
#include "engine/formats/json.h"
#include "engine/formats/safetensors.h"
#include "engine/model/model_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/process.h"
#include "tests/support/tiny_model.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::TemporaryFolder;
using ::kprune::testing::TinyModel;
using ::kprune::testing::WriteTinyModel;
using ::testing::HasSubstr;

// A tensor of a checkpoint with bytes of its own.
struct OwnedTensor {
  DType dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

// Replaces model.safetensors with one whose tensor `name` went through `edit`.
void EditTensor(const fs::path& folder, const std::string& name,
                const std::function<void(OwnedTensor&)>& edit) {
  auto source = *OpenCheckpoint(folder);
  std::vector<TensorView> views = source->tensors();
  OwnedTensor owned;
  size_t edited = 0;
  for (TensorView& view : views) {
    if (view.name != name) continue;
    owned = {view.dtype, view.shape, {reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()}};
    edit(owned);
    view = {name, owned.dtype, owned.shape,
            absl::MakeConstSpan(reinterpret_cast<const std::byte*>(owned.bytes.data()), owned.bytes.size())};
    ++edited;
  }
  ASSERT_EQ(edited, 1u) << name;
  const absl::Status status = WriteSafetensors(folder / "model.safetensors", views, {});
  ASSERT_TRUE(status.ok()) << status;
}

void ExpectRefusal(const absl::Status& status, const std::vector<std::string>& parts) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  for (const std::string& part : parts) EXPECT_THAT(std::string(status.message()), HasSubstr(part));
}

class WeightRefusalsTest : public ::testing::Test {
 protected:
  absl::Status OpenTiny(const TinyModel& model, const Options& options = {}) {
    WriteTinyModel(folder_.path(), model);
    return Open(options);
  }
  absl::Status Open(const Options& options = {}) {
    return OpenModelFolder(folder_.path().string(), options).status();
  }
  absl::Status Load() {
    const absl::StatusOr<ModelFolder> folder = OpenModelFolder(folder_.path().string(), {});
    EXPECT_TRUE(folder.ok()) << folder.status();
    return LoadEncoder(*folder, at::kCPU).status();
  }

  const TemporaryFolder folder_;
};

TEST_F(WeightRefusalsTest, Examples) {
  ASSERT_TRUE(OpenTiny({}).ok());
  EXPECT_TRUE(Load().ok());
  WriteTinyModel(folder_.path(), {.missing_tensor = "encoder.layer.1.output.dense.bias"});
  ExpectRefusal(Open(), {"no tensor encoder.layer.1.output.dense.bias", "config.json", "bert"});
}

TEST_F(WeightRefusalsTest, AFolderThatIsNotThere) {
  const absl::Status status = OpenModelFolder((folder_ / "none").string(), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("none does not exist"));
}

TEST_F(WeightRefusalsTest, AFolderWithoutWeights) {
  WriteTinyModel(folder_.path(), {});
  fs::remove(folder_ / "model.safetensors");
  EXPECT_EQ(Open().code(), absl::StatusCode::kNotFound);
  testing::WriteFile(folder_ / "pytorch_model.bin", "PK");
  ExpectRefusal(Open(), {"safetensors"});
}

class MissingTensorTest : public WeightRefusalsTest,
                          public ::testing::WithParamInterface<std::pair<std::string, std::string>> {};

TEST_P(MissingTensorTest, IsNamed) {
  const auto [family, tensor] = GetParam();
  ExpectRefusal(OpenTiny({.family = family, .task = "text-classification", .missing_tensor = tensor}),
                {"no tensor " + tensor, "text-classification"});
}

using TensorOf = std::pair<std::string, std::string>;

INSTANTIATE_TEST_SUITE_P(
    Tensors, MissingTensorTest,
    ::testing::Values(TensorOf("bert", "bert.embeddings.word_embeddings.weight"),
                      TensorOf("bert", "bert.embeddings.token_type_embeddings.weight"),
                      TensorOf("bert", "bert.embeddings.LayerNorm.bias"),
                      TensorOf("bert", "bert.encoder.layer.0.attention.self.key.weight"),
                      TensorOf("bert", "bert.encoder.layer.1.attention.output.LayerNorm.weight"),
                      TensorOf("bert", "bert.pooler.dense.bias"), TensorOf("bert", "classifier.weight"),
                      TensorOf("distilbert", "distilbert.transformer.layer.1.attention.q_lin.bias"),
                      TensorOf("distilbert", "distilbert.transformer.layer.0.output_layer_norm.weight"),
                      TensorOf("distilbert", "pre_classifier.weight")));

TEST_F(WeightRefusalsTest, AnEncoderAsAClassifier) {
  Options options;
  options.task = "text-classification";
  ExpectRefusal(OpenTiny({}, options), {"pooler.dense.weight", "text-classification"});
}

TEST_F(WeightRefusalsTest, AShapeThatConfigDoesNotCallFor) {
  WriteTinyModel(folder_.path(), {});
  const std::string name = "encoder.layer.0.intermediate.dense.weight";
  EditTensor(folder_.path(), name, [](OwnedTensor& tensor) { tensor.shape = {32, 64}; });
  ExpectRefusal(Open(), {"tensor " + name, "[32, 64]", "[64, 32]"});
}

TEST_F(WeightRefusalsTest, AConfigThatTheWeightsDoNotFit) {
  WriteTinyModel(folder_.path(), {});
  nlohmann::json config = *ReadJsonFile(folder_ / "config.json");
  config["num_hidden_layers"] = 3;
  testing::WriteFile(folder_ / "config.json", config.dump());
  ExpectRefusal(Open(), {"no tensor encoder.layer.2.attention.self.query.weight"});
  config["num_hidden_layers"] = 2;
  config["kprune"] = {{"kept_heads", {{0, 1}, {0, 1, 2, 3}}}, {"kept_neurons", {{1}, {2}}}};
  testing::WriteFile(folder_ / "config.json", config.dump());
  ExpectRefusal(Open(), {"encoder.layer.0.attention.self.query.weight", "[32, 32]", "[16, 32]"});
}

TEST_F(WeightRefusalsTest, ATypeThatIsNoFloat) {
  WriteTinyModel(folder_.path(), {});
  const std::string name = "encoder.layer.1.attention.self.value.bias";
  EditTensor(folder_.path(), name, [](OwnedTensor& tensor) { tensor.dtype = DType::kI32; });
  ExpectRefusal(Open(), {"tensor " + name, "I32", "F32, F16 and BF16"});
}

TEST_F(WeightRefusalsTest, NaNIsNamedWhereverItIs) {
  for (const char* name : {"embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight",
                           "encoder.layer.1.attention.self.value.weight", "encoder.layer.0.output.dense.bias",
                           "encoder.layer.1.output.LayerNorm.bias"}) {
    // The header says nothing of values: opening succeeds, loading refuses.
    ASSERT_TRUE(OpenTiny({.poisoned_tensor = name}).ok());
    ExpectRefusal(Load(), {std::string("tensor ") + name, "NaN or infinity"});
  }
}

TEST_F(WeightRefusalsTest, InfinityIsRefusedToo) {
  WriteTinyModel(folder_.path(), {});
  const std::string name = "encoder.layer.0.output.dense.weight";
  EditTensor(folder_.path(), name, [](OwnedTensor& tensor) {
    const float infinity = -std::numeric_limits<float>::infinity();
    std::memcpy(tensor.bytes.data() + tensor.bytes.size() - sizeof(float), &infinity, sizeof(float));
  });
  ExpectRefusal(Load(), {"tensor " + name, "NaN or infinity"});
}

TEST_F(WeightRefusalsTest, TensorsThatNobodyReadsMayBeAnything) {
  // A bare encoder's pooler is not used: its NaN is not the job's business.
  ASSERT_TRUE(OpenTiny({.poisoned_tensor = "pooler.dense.weight"}).ok());
  EXPECT_TRUE(Load().ok());
}

}  // namespace
}  // namespace kprune
