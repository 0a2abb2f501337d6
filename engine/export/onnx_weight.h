// Tensors as constants of ONNX graphs.
#ifndef KPRUNE_ENGINE_EXPORT_ONNX_WEIGHT_H_
#define KPRUNE_ENGINE_EXPORT_ONNX_WEIGHT_H_

#include <ATen/ATen.h>

#include <string>

#include "engine/formats/onnx/onnx_graph.h"

namespace kprune {

// Copies `tensor` as float32 under a name that the graph does not have yet.
inline OnnxGraph::Value AddWeight(OnnxGraph& graph, const std::string& name, const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kCPU, at::kFloat).contiguous();
  return graph.AddWeight(name, values.sizes().vec(),
                         {values.const_data_ptr<float>(), static_cast<size_t>(values.numel())});
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_ONNX_WEIGHT_H_
