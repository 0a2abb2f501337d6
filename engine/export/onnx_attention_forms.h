// What some families' attention has beside BERT's, as ONNX nodes.
//
// Shapes: B sequences of S tokens, H heads of a layer, h head size.
#ifndef KPRUNE_ENGINE_EXPORT_ONNX_ATTENTION_FORMS_H_
#define KPRUNE_ENGINE_EXPORT_ONNX_ATTENTION_FORMS_H_

#include <map>
#include <string>

#include "engine/formats/onnx/onnx_graph.h"
#include "engine/model/attention_form.h"

namespace kprune {

// Adds nodes to one graph; what layers share is there once. Not thread-safe.
class OnnxAttentionForms {
 public:
  using Value = OnnxGraph::Value;

  explicit OnnxAttentionForms(OnnxGraph& graph) : graph_(graph) {}

  // The graph's token ids [B, S], of which the number of tokens is taken; before anything else.
  void SetIds(const Value& ids) { ids_ = ids; }

  // Sums of the products of q and k, [B, H, S, h] each, and of relative positions: [B, H, S, S].
  Value Products(const AttentionForm& form, const std::string& name, Value q, Value k);

  // What is added to the scaled products.
  Value AddBiases(const AttentionForm& form, const std::string& name, Value scores);

 private:
  // Adds a value once for the whole graph.
  template <typename Make>
  Value Shared(const std::string& name, const Make& make);

  Value Distances();                              // j - i, [S, S]
  Value Rows(const at::Tensor& row_of_distance);  // [S, S]
  Value FirstRows(const std::string& name, const at::Tensor& table);
  Value Turned(const AttentionForm& form, const std::string& name, const Value& x);
  Value OfPairs(const std::string& name, const Value& products, const Value& rows, const Value& scores);

  OnnxGraph& graph_;
  Value ids_;
  std::map<std::string, Value> shared_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_ONNX_ATTENTION_FORMS_H_
