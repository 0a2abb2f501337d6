#include "engine/export/onnx_patches.h"

#include <vector>

#include "engine/export/onnx_weight.h"

namespace kprune {

using Value = OnnxGraph::Value;

PatchesOfImages AddPatches(OnnxGraph& graph, const Encoder& encoder) {
  const PatchConfig& patches = *encoder.config.patches;
  const int64_t d = encoder.config.hidden_size;
  const Value pixels = graph.AddInput(
      "pixel_values", {"batch_size", patches.image.channels, patches.image.height, patches.image.width},
      OnnxGraph::Type::kFloat32);
  const std::vector<int64_t> size = {patches.patch_height, patches.patch_width};
  Value x = graph.Add("Conv", "embeddings.patches",
                      {pixels, AddWeight(graph, "embeddings.patches.weight", encoder.patch_projection.weight),
                       AddWeight(graph, "embeddings.patches.bias", encoder.patch_projection.bias)},
                      {{"kernel_shape", size}, {"strides", size}});
  x = graph.Add("Reshape", "embeddings.Reshape", {x, graph.Integers({0, d, -1})});
  x = graph.Add("Transpose", "embeddings.Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
  const Value batch =
      graph.Add("Shape", "embeddings.Shape", {pixels}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
  const Value shape = graph.Add("Concat", "embeddings.Concat_shape",
                                {batch, graph.Integers({patches.class_tokens, d})}, {{"axis", int64_t{0}}});
  const Value first =
      graph.Add("Expand", "embeddings.Expand",
                {AddWeight(graph, "embeddings.class_tokens", encoder.class_tokens.unsqueeze(0)), shape});
  x = graph.Add("Concat", "embeddings.Concat", {first, x}, {{"axis", int64_t{1}}});
  const Value positions = AddWeight(graph, "embeddings.position.weight", encoder.position_embeddings);
  return {graph.Add("Add", "embeddings.Add_position", {x, positions}), batch};
}

Value AddOnes(OnnxGraph& graph, const std::string& name, const Value& batch, int64_t tokens) {
  const Value shape =
      graph.Add("Concat", name + ".Concat", {batch, graph.Integers({tokens})}, {{"axis", int64_t{0}}});
  return graph.Add("Expand", name + ".Expand", {graph.Integers({1}), shape});
}

}  // namespace kprune
