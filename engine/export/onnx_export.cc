// Shapes: B sequences of S tokens, d hidden size, H heads of a layer, h head size, U features.
#include "engine/export/onnx_export.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/export/exported_model.h"
#include "engine/export/onnx_attention_forms.h"
#include "engine/export/onnx_patches.h"
#include "engine/export/onnx_weight.h"
#include "engine/export/position_table.h"
#include "engine/formats/onnx/onnx_graph.h"

namespace kprune {
namespace {

using Value = OnnxGraph::Value;

class OnnxEncoder {
 public:
  explicit OnnxEncoder(const Encoder& encoder)
      : encoder_(encoder), config_(encoder.config), graph_("kprune") {}

  absl::Status Write(const std::filesystem::path& path) {
    Value x = config_.patches ? EmbedImages(*config_.patches) : Embed();
    const Value mask = config_.patches ? "" : MaskOfScores();
    for (int t = 0; t < encoder_.num_sublayers(); ++t) {
      const Sublayer& sublayer = encoder_.sublayers[t];
      const std::string name = absl::StrCat("layer.", sublayer.layer);
      x = sublayer.kind == SublayerKind::kAttention ? Attention(sublayer, name + ".attention", x, mask)
                                                    : FeedForward(sublayer, name + ".feed_forward", x);
    }
    if (encoder_.final_norm.weight.defined()) x = Normalize("final_norm", x, encoder_.final_norm);
    config_.task == Task::kEmbedding ? SentenceEmbedding(x) : Logits(x);
    return graph_.Write(path);
  }

 private:
  static constexpr const char *kBatch = "batch_size", *kSequence = "sequence_length",
                              *kChoices = "num_choices";

  // What layers share is there once, by the name that the first of them gave it.
  Value Weight(const std::string& name, const at::Tensor& tensor) {
    const Key key{tensor.const_data_ptr(), tensor.sizes().vec(), tensor.strides().vec()};
    auto found = weights_.find(key);
    if (found == weights_.end())
      found = weights_.emplace(key, std::pair(AddWeight(graph_, name, tensor), tensor)).first;
    return found->second.first;
  }

  // [B, S]; of multiple choice the choices of all samples one below the other.
  Value Input(const std::string& name) {
    if (config_.task != Task::kMultipleChoice) return graph_.AddInput(name, {kBatch, kSequence});
    const Value input = graph_.AddInput(name, {kBatch, kChoices, kSequence});
    const Value length = graph_.Add("Shape", name + ".Shape", {input}, {{"start", int64_t{2}}});
    const Value shape =
        graph_.Add("Concat", name + ".Concat", {graph_.Integers({-1}), length}, {{"axis", int64_t{0}}});
    return graph_.Add("Reshape", name + ".Reshape", {input, shape});
  }

  // x W^T + b, as MatMul and Add.
  Value Project(const std::string& name, const Value& x, const at::Tensor& weight, const at::Tensor& bias) {
    const Value product = graph_.Add("MatMul", name + ".MatMul", {x, Weight(name + ".weight", weight.t())});
    return graph_.Add("Add", name + ".Add", {product, Weight(name + ".bias", bias)});
  }

  Value Normalize(const std::string& name, const Value& x, const LayerNorm& norm, const Value& output = "") {
    return graph_.Add("LayerNormalization", name,
                      {x, Weight(name + ".weight", norm.weight), Weight(name + ".bias", norm.bias)},
                      {{"axis", int64_t{-1}}, {"epsilon", norm.eps}}, output);
  }

  Value EmbedImages(const PatchConfig& patches) {
    const PatchesOfImages embedded = AddPatches(graph_, encoder_);
    // What pooling counts: there is no padding.
    if (!encoder_.reads_first_tokens()) mask_ = AddOnes(graph_, "mask", embedded.batch, patches.tokens());
    return embedded.x_BSd;
  }

  Value Embed() {
    const Value ids = Input("input_ids");
    forms_.SetIds(ids);
    mask_ = Input("attention_mask");
    Value x = graph_.Add("Gather", "embeddings.word",
                         {Weight("embeddings.word.weight", encoder_.word_embeddings), ids});
    if (encoder_.takes_token_types()) {
      const Value types = Input("token_type_ids");
      const Value embedded =
          graph_.Add("Gather", "embeddings.token_type",
                     {Weight("embeddings.token_type.weight", encoder_.token_type_embeddings), types});
      x = graph_.Add("Add", "embeddings.Add_token_type", {x, embedded});
    }
    if (encoder_.position_embeddings.defined())
      x = graph_.Add("Add", "embeddings.Add_position", {x, Positions(ids)});
    else if (encoder_.token_type_embeddings.defined() && !encoder_.takes_token_types())
      x = graph_.Add("Add", "embeddings.Add_token_type",
                     {x, Weight("embeddings.token_type.weight", encoder_.token_type_embeddings)});
    x = Normalize("embeddings.norm", x, encoder_.embeddings_norm);
    const Linear& projection = encoder_.embeddings_projection;
    if (!projection.weight.defined()) return x;
    return Project("embeddings.projection", x, projection.weight, projection.bias);
  }

  // Rows of the position table: 0 to S, or for tokens those after padding's, which padding itself gets.
  Value Positions(const Value& ids) {
    const Value table = Weight("embeddings.position.weight", PositionTable(encoder_));
    if (config_.position_offset == 0) {
      const Value shape = graph_.Add("Shape", "embeddings.Shape", {ids}, {{"start", int64_t{1}}});
      return graph_.Add("Slice", "embeddings.position", {table, graph_.Integers({0}), shape});
    }
    const Value counted = graph_.Add("CumSum", "embeddings.CumSum", {mask_, graph_.Integers({1})});
    const Value places = graph_.Add("Mul", "embeddings.Mul", {counted, mask_});
    const Value rows =
        graph_.Add("Add", "embeddings.Add_offset", {places, graph_.Integers({config_.position_offset - 1})});
    return graph_.Add("Gather", "embeddings.position", {table, rows});
  }

  // [B, 1, 1, S]: 0 for tokens, the lowest float for padding.
  Value MaskOfScores() {
    Value mask = graph_.Add("Unsqueeze", "mask.Unsqueeze_heads", {mask_, graph_.Integers({1})});
    mask = graph_.Add("Unsqueeze", "mask.Unsqueeze_queries", {mask, graph_.Integers({2})});
    mask = graph_.Add("Cast", "mask.Cast", {mask}, {{"to", int64_t{1}}});
    mask = graph_.Add("Sub", "mask.Sub", {graph_.Number(1), mask});
    return graph_.Add("Mul", "mask.Mul", {mask, graph_.Number(std::numeric_limits<float>::lowest())});
  }

  // q, k or v: [B, S, d] to [B, H, S, h], or with `order` another order of these.
  Value Heads(const Sublayer& sublayer, const std::string& name, const Value& x, int64_t block,
              const std::vector<int64_t>& order) {
    const int64_t U = sublayer.num_features();
    const Value projected = Project(name, x, sublayer.in.weight.narrow(0, block * U, U),
                                    sublayer.in.bias.narrow(0, block * U, U));
    const Value heads =
        graph_.Add("Reshape", name + ".Reshape",
                   {projected, graph_.Integers({0, 0, sublayer.num_units(), sublayer.unit_width})});
    return graph_.Add("Transpose", name + ".Transpose", {heads}, {{"perm", order}});
  }

  // What the input projection multiplies.
  Value Input(const Sublayer& sublayer, const std::string& name, const Value& x) {
    if (!sublayer.norm_first || !sublayer.norm.weight.defined()) return x;
    return Normalize(name + ".norm", x, sublayer.norm);
  }

  Value Attention(const Sublayer& sublayer, const std::string& name, const Value& x, const Value& mask) {
    if (sublayer.num_units() == 0) return Empty(sublayer, name, x);
    const AttentionForm form = sublayer.attention();
    const Value input = Input(sublayer, name, x);
    const Value q = Heads(sublayer, name + ".query", input, 0, {0, 2, 1, 3});
    const Value v = Heads(sublayer, name + ".value", input, 2, {0, 2, 1, 3});
    Value scores;
    if (form.is_plain()) {
      const Value k = Heads(sublayer, name + ".key", input, 1, {0, 2, 3, 1});
      scores = graph_.Add("MatMul", name + ".MatMul_scores", {q, k});
    } else {
      scores = forms_.Products(form, name, q, Heads(sublayer, name + ".key", input, 1, {0, 2, 1, 3}));
    }
    const auto scale =
        static_cast<float>(std::sqrt(static_cast<double>(sublayer.unit_width * form.scale_factor)));
    scores = graph_.Add("Div", name + ".Div", {scores, graph_.Number(scale)});
    scores = forms_.AddBiases(form, name, scores);
    if (!mask.empty()) scores = graph_.Add("Add", name + ".Add_mask", {scores, mask});
    const Value weights = graph_.Add("Softmax", name + ".Softmax", {scores}, {{"axis", int64_t{-1}}});
    Value context = graph_.Add("MatMul", name + ".MatMul_context", {weights, v});
    context =
        graph_.Add("Transpose", name + ".Transpose", {context}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    context =
        graph_.Add("Reshape", name + ".Reshape", {context, graph_.Integers({0, 0, sublayer.num_features()})});
    return AddAndNormalize(sublayer, name, context, x);
  }

  Value FeedForward(const Sublayer& sublayer, const std::string& name, const Value& x) {
    if (sublayer.num_units() == 0) return Empty(sublayer, name, x);
    const Value input = Input(sublayer, name, x);
    if (!sublayer.gated) {
      const Value projected = Project(name + ".in", input, sublayer.in.weight, sublayer.in.bias);
      return AddAndNormalize(sublayer, name, Activate(name + ".activation", projected, config_.activation),
                             x);
    }
    const auto block = [&](const char* part, int64_t index) {
      const int64_t U = sublayer.num_features();
      return Project(name + part, input, sublayer.in.weight.narrow(0, index * U, U),
                     sublayer.in.bias.narrow(0, index * U, U));
    };
    const Value gate = Activate(name + ".activation", block(".gate", 0), config_.activation);
    return AddAndNormalize(sublayer, name, graph_.Add("Mul", name + ".Mul", {gate, block(".up", 1)}), x);
  }

  Value AddAndNormalize(const Sublayer& sublayer, const std::string& name, const Value& features,
                        const Value& x) {
    const Value branch = Project(name + ".out", features, sublayer.out.weight, sublayer.out.bias);
    const Value sum = graph_.Add("Add", name + ".Add_residual", {branch, x});
    return sublayer.norm_first ? sum : Normalize(name + ".norm", sum, sublayer.norm);
  }

  // A sublayer without units keeps its bias and its norm.
  Value Empty(const Sublayer& sublayer, const std::string& name, const Value& x) {
    const Value sum =
        graph_.Add("Add", name + ".Add_bias", {x, Weight(name + ".out.bias", sublayer.out.bias)});
    return sublayer.norm_first ? sum : Normalize(name + ".norm", sum, sublayer.norm);
  }

  Value Activate(const std::string& name, const Value& x, const std::string& activation) {
    const auto add = [&](const char* op, const std::vector<Value>& inputs, const char* suffix = "") {
      return graph_.Add(op, absl::StrCat(name, ".", op, suffix), inputs);
    };
    if (activation == "relu") return add("Relu", {x});
    if (activation == "tanh") return add("Tanh", {x});
    if (activation == "silu") return add("Mul", {x, add("Sigmoid", {x})});
    if (activation == "gelu") {  // x / 2 (1 + erf(x / sqrt(2)))
      const Value scaled = add("Div", {x, graph_.Number(static_cast<float>(std::sqrt(2.0)))});
      const Value sum = add("Add", {add("Erf", {scaled}), graph_.Number(1)});
      return add("Mul", {add("Mul", {x, sum}), graph_.Number(0.5F)}, "_half");
    }
    // gelu_new: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    const Value cube = add("Pow", {x, graph_.Number(3)});
    const Value inner = add("Add", {x, add("Mul", {cube, graph_.Number(0.044715F)}, "_cube")}, "_cube");
    const auto scale = static_cast<float>(std::sqrt(2.0 / M_PI));
    const Value tanh = add("Tanh", {add("Mul", {inner, graph_.Number(scale)}, "_scale")});
    const Value sum = add("Add", {tanh, graph_.Number(1)});
    return add("Mul", {add("Mul", {x, graph_.Number(0.5F)}, "_half"), sum});
  }

  // [B, S, d] to the first tokens, [B, d].
  Value FirstTokens(const Value& x) {
    const Value first =
        graph_.Add("Gather", "head.first_token", {x, graph_.Integers({0})}, {{"axis", int64_t{1}}});
    return graph_.Add("Squeeze", "head.Squeeze", {first, graph_.Integers({1})});
  }

  // [B, S, d] to the first two tokens side by side, [B, 2d].
  Value FirstTwoTokens(const Value& x) {
    const Value two = graph_.Add("Slice", "head.first_tokens",
                                 {x, graph_.Integers({0}), graph_.Integers({2}), graph_.Integers({1})});
    return graph_.Add("Flatten", "head.Flatten", {two}, {{"axis", int64_t{1}}});
  }

  void Logits(const Value& x) {
    Value y = HasTokenOutputs(config_.task)   ? x
              : encoder_.reads_first_tokens() ? FirstTokens(x)
              : config_.with_teacher          ? FirstTwoTokens(x)
                                              : MeanOfTokens(x);
    if (const Linear& dense = encoder_.head_dense; dense.weight.defined()) {
      y = Activate("head.activation", Project("head.dense", y, dense.weight, dense.bias),
                   config_.head_activation);
    }
    if (encoder_.head_norm.weight.defined()) y = Normalize("head.norm", y, encoder_.head_norm);
    const Linear& output = encoder_.head_output;
    if (config_.task == Task::kQuestionAnswering) return Answer(y);
    if (config_.task == Task::kMaskedLm) return TokensOfVocabulary(y);
    const Value product =
        graph_.Add("MatMul", "head.output.MatMul", {y, Weight("head.output.weight", output.weight.t())});
    const Value bias = Weight("head.output.bias", output.bias);
    if (config_.task == Task::kMultipleChoice) {
      const Value sum = graph_.Add("Add", "head.output.Add", {product, bias});
      const Value shape =
          graph_.Add("Shape", "head.Shape", {"input_ids"}, {{"start", int64_t{0}}, {"end", int64_t{2}}});
      graph_.Add("Reshape", "head.Reshape", {sum, shape}, {}, "logits");
      return graph_.AddOutput("logits", {kBatch, kChoices});
    }
    graph_.Add("Add", "head.output.Add", {product, bias}, {}, "logits");
    if (HasTokenOutputs(config_.task))
      return graph_.AddOutput("logits", {kBatch, kSequence, output.weight.size(0)});
    graph_.AddOutput("logits", {kBatch, output.weight.size(0)});
  }

  // [B, S, d] to the logits of starts and of ends, [B, S] each.
  void Answer(const Value& y) {
    const Linear& output = encoder_.head_output;
    const char* const names[] = {"start_logits", "end_logits"};
    for (int64_t column = 0; column < 2; ++column) {
      const std::string name = names[column];
      const Value logits =
          Project("head." + name, y, output.weight.narrow(0, column, 1), output.bias.narrow(0, column, 1));
      graph_.Add("Squeeze", "head." + name + ".Squeeze", {logits, graph_.Integers({2})}, {}, name);
      graph_.AddOutput(name, {kBatch, kSequence});
    }
  }

  // [B, S, e] to [B, S, vocabulary], by the word embeddings: they are in the file once.
  void TokensOfVocabulary(const Value& y) {
    const Linear& output = encoder_.head_output;
    const int64_t vocabulary = output.weight.size(0), width = output.weight.size(1);
    const Value rows = graph_.Add("Reshape", "head.rows", {y, graph_.Integers({-1, width})});
    const Value product = graph_.Add(
        "Gemm", "head.output.Gemm", {rows, "embeddings.word.weight", Weight("head.output.bias", output.bias)},
        {{"transB", int64_t{1}}});
    const Value shape = graph_.Add("Shape", "head.Shape", {y}, {{"start", int64_t{0}}, {"end", int64_t{2}}});
    const Value full =
        graph_.Add("Concat", "head.Concat", {shape, graph_.Integers({vocabulary})}, {{"axis", int64_t{0}}});
    graph_.Add("Reshape", "head.Reshape", {product, full}, {}, "logits");
    graph_.AddOutput("logits", {kBatch, kSequence, vocabulary});
  }

  void SentenceEmbedding(const Value& x) {
    graph_.Add("Identity", "last_hidden_state", {x}, {}, "last_hidden_state");
    const OnnxGraph::Dimension tokens =
        config_.patches ? OnnxGraph::Dimension(config_.patches->tokens()) : OnnxGraph::Dimension(kSequence);
    graph_.AddOutput("last_hidden_state", {kBatch, tokens, int64_t{config_.hidden_size}});
    Value pooled = Pooled(x);
    if (config_.normalize) {
      const Value norm = graph_.Add("ReduceL2", "normalize.ReduceL2", {pooled},
                                    {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{1}}});
      const Value length = graph_.Add("Max", "normalize.Max", {norm, graph_.Number(1e-12F)});
      pooled = graph_.Add("Div", "normalize.Div", {pooled, length});
    }
    const std::string name = OutputNames(config_)[0];
    graph_.Add("Identity", name, {pooled}, {}, name);
    graph_.AddOutput(name, {kBatch, int64_t{config_.hidden_size}});
  }

  Value Pooled(const Value& x) {
    switch (config_.pooling) {
      case Pooling::kCls:
        return FirstTokens(x);
      case Pooling::kLastToken:
        return LastTokens(x);
      case Pooling::kMax:
        return LargestOfTokens(x);
      case Pooling::kMean:
      case Pooling::kMeanSqrtLen:
        break;
    }
    return MeanOfTokens(x);
  }

  Value LastTokens(const Value& x) {
    const Value count =
        graph_.Add("ReduceSum", "pooling.count", {mask_, graph_.Integers({1})}, {{"keepdims", int64_t{1}}});
    const Value last = graph_.Add("Sub", "pooling.Sub", {count, graph_.Integers({1})});
    return graph_.Add("GatherND", "pooling.GatherND", {x, last}, {{"batch_dims", int64_t{1}}});
  }

  // Padding is put below everything.
  Value LargestOfTokens(const Value& x) {
    const Value mask = graph_.Add("Cast", "pooling.Cast", {mask_}, {{"to", int64_t{1}}});
    const Value column = graph_.Add("Unsqueeze", "pooling.Unsqueeze", {mask, graph_.Integers({2})});
    const Value padding = graph_.Add("Sub", "pooling.Sub", {graph_.Number(1), column});
    const Value low =
        graph_.Add("Mul", "pooling.Mul", {padding, graph_.Number(std::numeric_limits<float>::lowest())});
    const Value shifted = graph_.Add("Add", "pooling.Add", {x, low});
    return graph_.Add("ReduceMax", "pooling.ReduceMax", {shifted},
                      {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{0}}});
  }

  // The mean, or by the square root of the number of tokens.
  Value MeanOfTokens(const Value& x) {
    const Value mask = graph_.Add("Cast", "pooling.Cast", {mask_}, {{"to", int64_t{1}}});
    const Value column = graph_.Add("Unsqueeze", "pooling.Unsqueeze", {mask, graph_.Integers({2})});
    const auto sum = [&](const char* name, const Value& value) {
      return graph_.Add("ReduceSum", name, {value, graph_.Integers({1})}, {{"keepdims", int64_t{0}}});
    };
    const Value total = sum("pooling.total", graph_.Add("Mul", "pooling.Mul", {x, column}));
    Value count = graph_.Add("Max", "pooling.Max", {sum("pooling.count", column), graph_.Number(1e-9F)});
    if (config_.pooling == Pooling::kMeanSqrtLen) count = graph_.Add("Sqrt", "pooling.Sqrt", {count});
    return graph_.Add("Div", "pooling.Div", {total, count});
  }

  const Encoder& encoder_;
  const ModelConfig& config_;
  OnnxGraph graph_;
  OnnxAttentionForms forms_{graph_};
  Value mask_;
  // Constants by memory, shape and strides, with the tensors: nobody else gets their memory meanwhile.
  using Key = std::tuple<const void*, std::vector<int64_t>, std::vector<int64_t>>;
  std::map<Key, std::pair<Value, at::Tensor>> weights_;
};

}  // namespace

absl::Status WriteOnnx(const Encoder& encoder, const std::filesystem::path& path) {
  return OnnxEncoder(encoder).Write(path);
}

int64_t OnnxBytes(int64_t parameters) { return 4 * parameters + (int64_t{1} << 20); }

}  // namespace kprune
