// What ONNX graphs of models that look at images begin with.
//
// Shapes: B pictures of S tokens each, d hidden size.
#ifndef KPRUNE_ENGINE_EXPORT_ONNX_PATCHES_H_
#define KPRUNE_ENGINE_EXPORT_ONNX_PATCHES_H_

#include <cstdint>
#include <string>

#include "engine/formats/onnx/onnx_graph.h"
#include "engine/model/encoder.h"

namespace kprune {

struct PatchesOfImages {
  OnnxGraph::Value x_BSd;  // what the first layer takes
  OnnxGraph::Value batch;  // [1]: B
};

// Adds the input pixel_values, float32 [B, channels, height, width], and what makes tokens of it. Patches are
// a convolution without overlaps.
PatchesOfImages AddPatches(OnnxGraph& graph, const Encoder& encoder);

// An attention mask without padding, int64 [B, tokens].
OnnxGraph::Value AddOnes(OnnxGraph& graph, const std::string& name, const OnnxGraph::Value& batch,
                         int64_t tokens);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_ONNX_PATCHES_H_
