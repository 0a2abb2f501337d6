#include "engine/export/onnx_attention_forms.h"

#include <ATen/ATen.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/export/onnx_weight.h"

namespace kprune {
namespace {

// As AttentionForm has it.
constexpr float kOutOfSight = -1e30F;

}  // namespace

template <typename Make>
OnnxGraph::Value OnnxAttentionForms::Shared(const std::string& name, const Make& make) {
  const auto it = shared_.find(name);
  if (it != shared_.end()) return it->second;
  return shared_[name] = make();
}

OnnxGraph::Value OnnxAttentionForms::Distances() {
  return Shared("positions.distances", [&] {
    const Value shape = graph_.Add("Shape", "positions.Shape", {ids_}, {{"start", int64_t{1}}});
    const Value tokens = graph_.Add("Squeeze", "positions.tokens", {shape});
    const auto scalar = [&](const char* name, int64_t value) {
      return graph_.Add("Squeeze", name, {graph_.Integers({value})});
    };
    const Value places = graph_.Add("Range", "positions.Range",
                                    {scalar("positions.zero", 0), tokens, scalar("positions.one", 1)});
    const Value keys = graph_.Add("Unsqueeze", "positions.keys", {places, graph_.Integers({0})});
    const Value queries = graph_.Add("Unsqueeze", "positions.queries", {places, graph_.Integers({1})});
    return graph_.Add("Sub", "positions.distances", {keys, queries});
  });
}

OnnxGraph::Value OnnxAttentionForms::Rows(const at::Tensor& row_of_distance) {
  return Shared("positions.rows", [&] {
    const at::Tensor rows = row_of_distance.to(at::kCPU).contiguous();
    const int64_t* first = rows.const_data_ptr<int64_t>();
    const Value table = graph_.Integers(std::vector<int64_t>(first, first + rows.numel()));
    const Value places =
        graph_.Add("Add", "positions.places", {Distances(), graph_.Integers({(rows.numel() + 1) / 2 - 1})});
    return graph_.Add("Gather", "positions.rows", {table, places});
  });
}

// As many rows of a table of places as there are tokens.
OnnxGraph::Value OnnxAttentionForms::FirstRows(const std::string& name, const at::Tensor& table) {
  return Shared(name, [&] {
    const Value shape = graph_.Add("Shape", name + ".Shape", {ids_}, {{"start", int64_t{1}}});
    return graph_.Add("Slice", name,
                      {AddWeight(graph_, name + ".table", table), graph_.Integers({0}), shape});
  });
}

OnnxGraph::Value OnnxAttentionForms::Turned(const AttentionForm& form, const std::string& name,
                                            const Value& x) {
  const int64_t head_dim = form.rotary_cos_Ph.size(1), half = head_dim / 2;
  const char* kind = form.window > 0 ? "rotary.local" : "rotary.global";
  const Value cos = FirstRows(absl::StrCat(kind, ".cos"), form.rotary_cos_Ph);
  const Value sin = FirstRows(absl::StrCat(kind, ".sin"), form.rotary_sin_Ph);
  const auto part = [&](const char* suffix, int64_t begin, int64_t end) {
    return graph_.Add("Slice", name + suffix,
                      {x, graph_.Integers({begin}), graph_.Integers({end}), graph_.Integers({3})});
  };
  const Value negated = graph_.Add("Neg", name + ".Neg", {part(".second", half, head_dim)});
  const Value crossed =
      graph_.Add("Concat", name + ".Concat", {negated, part(".first", 0, half)}, {{"axis", int64_t{-1}}});
  const Value straight = graph_.Add("Mul", name + ".Mul_cos", {x, cos});
  return graph_.Add("Add", name + ".Add_turned",
                    {straight, graph_.Add("Mul", name + ".Mul_sin", {crossed, sin})});
}

// Of the products with every row of a table, [B, H, S, R], those of the pairs' rows, [B, H, S, S].
OnnxGraph::Value OnnxAttentionForms::OfPairs(const std::string& name, const Value& products,
                                             const Value& rows, const Value& scores) {
  const Value shape = graph_.Add("Shape", name + ".Shape", {scores});
  const Value indices = graph_.Add("Expand", name + ".Expand", {rows, shape});
  return graph_.Add("GatherElements", name + ".Gather", {products, indices}, {{"axis", int64_t{3}}});
}

OnnxGraph::Value OnnxAttentionForms::Products(const AttentionForm& form, const std::string& name, Value q,
                                              Value k) {
  if (form.rotary_cos_Ph.defined()) {
    q = Turned(form, name + ".query.rotary", q);
    k = Turned(form, name + ".key.rotary", k);
  }
  const auto transposed = [&](const std::string& of, const Value& x) {
    return graph_.Add("Transpose", of, {x}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  };
  const Value key = transposed(name + ".key.Transpose_scores", k);
  Value scores = graph_.Add("MatMul", name + ".MatMul_scores", {q, key});
  const auto by_head = [&](const char* suffix, const at::Tensor& table_RU) {
    // [H, h, R]
    const int64_t features = table_RU.size(1), head_dim = form.head_size;
    return AddWeight(graph_, name + suffix,
                     table_RU.view({-1, features / head_dim, head_dim}).permute({1, 2, 0}));
  };
  if (form.position_key_RU.defined()) {
    const Value all = graph_.Add("MatMul", name + ".MatMul_position_key",
                                 {q, by_head(".position_key", form.position_key_RU)});
    const Value added = OfPairs(name + ".position_key", all, Rows(form.row_of_distance), scores);
    scores = graph_.Add("Add", name + ".Add_position_key", {scores, added});
  }
  if (form.position_query_RU.defined()) {
    const Value all = graph_.Add("MatMul", name + ".MatMul_position_query",
                                 {k, by_head(".position_query", form.position_query_RU)});
    const Value rows = graph_.Add("Transpose", name + ".position_query.rows", {Rows(form.row_of_distance)},
                                  {{"perm", std::vector<int64_t>{1, 0}}});
    const Value added = OfPairs(name + ".position_query", all, rows, scores);
    scores = graph_.Add("Add", name + ".Add_position_query",
                        {scores, transposed(name + ".position_query.Transpose", added)});
  }
  return scores;
}

OnnxGraph::Value OnnxAttentionForms::AddBiases(const AttentionForm& form, const std::string& name,
                                               Value scores) {
  if (form.bias_RH.defined()) {
    const Value of_pairs = graph_.Add("Gather", name + ".position_bias",
                                      {AddWeight(graph_, name + ".position_bias.table", form.bias_RH),
                                       Rows(form.row_of_distance)});  // [S, S, H]
    const Value by_head = graph_.Add("Transpose", name + ".position_bias.Transpose", {of_pairs},
                                     {{"perm", std::vector<int64_t>{2, 0, 1}}});
    scores = graph_.Add("Add", name + ".Add_position_bias", {scores, by_head});
  }
  if (form.window > 0) {
    const Value window = Shared("window", [&] {
      const Value size = graph_.Add("Abs", "window.Abs", {Distances()});
      const Value outside = graph_.Add("Greater", "window.Greater", {size, graph_.Integers({form.window})});
      return graph_.Add("Where", "window", {outside, graph_.Number(kOutOfSight), graph_.Number(0)});
    });
    scores = graph_.Add("Add", name + ".Add_window", {scores, window});
  }
  return scores;
}

}  // namespace kprune
