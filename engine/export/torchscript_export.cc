// Shapes: B sequences of S tokens, d hidden size.
#include "engine/export/torchscript_export.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/export.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "engine/export/position_table.h"
#include "engine/formats/file.h"

namespace kprune {
namespace {

namespace jit = torch::jit;

// Writes forward() as TorchScript source, and registers the weights that it names.
class ScriptedEncoder {
 public:
  explicit ScriptedEncoder(const Encoder& encoder)
      : encoder_(encoder), config_(encoder.config), module_("KpruneEncoder") {}

  jit::Module Build() {
    config_.patches ? BeginWithImages(*config_.patches) : BeginWithTokens();
    for (const Sublayer& sublayer : encoder_.sublayers) {
      sublayer.kind == SublayerKind::kAttention ? Attention(sublayer) : FeedForward(sublayer);
    }
    if (encoder_.final_norm.weight.defined())
      Line("x = ", Normalized("final_norm", "x", encoder_.final_norm));
    config_.task == Task::kEmbedding ? SentenceEmbedding() : Logits();
    module_.define(source_);
    module_.eval();
    return module_;
  }

 private:
  void BeginWithTokens() {
    const bool token_types = encoder_.takes_token_types();
    absl::StrAppend(&source_, "def forward(self, input_ids: Tensor, attention_mask: Tensor",
                    token_types ? ", token_type_ids: Tensor" : "", "):\n");
    if (config_.task == Task::kMultipleChoice) FlattenChoices(token_types);
    Line("B, S = input_ids.size(0), input_ids.size(1)");
    Line("mask = (attention_mask > 0).view(B, 1, 1, S)");
    const auto has_form = [](const Sublayer& sublayer) { return !sublayer.attention().is_plain(); };
    if (std::any_of(encoder_.sublayers.begin(), encoder_.sublayers.end(), has_form)) {
      Line("place = torch.arange(S, device=input_ids.device)");
      Line("distance = place.unsqueeze(0) - place.unsqueeze(1)");
    }
    Embed(token_types);
  }

  // Patches are a convolution without overlaps.
  void BeginWithImages(const PatchConfig& patches) {
    absl::StrAppend(&source_, "def forward(self, pixel_values: Tensor):\n");
    Line("B, S = pixel_values.size(0), ", patches.tokens());
    const Linear& projection = encoder_.patch_projection;
    Line("x = torch.conv2d(pixel_values, ", Weight("patches_weight", projection.weight), ", ",
         Weight("patches_bias", projection.bias), ", [", patches.patch_height, ", ", patches.patch_width,
         "]).flatten(2).transpose(1, 2)");
    Line("x = torch.cat([", Weight("class_tokens", encoder_.class_tokens), ".expand(B, ",
         patches.class_tokens, ", ", config_.hidden_size, "), x], 1) + ",
         Weight("position_embeddings", encoder_.position_embeddings));
    if (!encoder_.reads_first_tokens()) Line("attention_mask = x.new_ones([B, S])");  // for pooling
  }

  template <typename... Parts>
  void Line(const Parts&... parts) {
    absl::StrAppend(&source_, "  ", parts..., "\n");
  }

  void FlattenChoices(bool token_types) {
    Line("choices = input_ids.size(1)");
    for (const char* input : {"input_ids", "attention_mask", "token_type_ids"}) {
      if (token_types || input[0] != 't') Line(input, " = ", input, ".reshape(-1, ", input, ".size(2))");
    }
  }

  // "self.name", with the tensor behind it.
  std::string Weight(const std::string& name, const at::Tensor& tensor) {
    module_.register_parameter(name, tensor.detach().to(at::kCPU, at::kFloat).contiguous(),
                               /*is_buffer=*/false);
    return "self." + name;
  }

  // A constant, which may be there already.
  std::string Buffer(const std::string& name, const at::Tensor& tensor) {
    if (!module_.hasattr(name)) module_.register_buffer(name, tensor.detach().to(at::kCPU).contiguous());
    return "self." + name;
  }

  std::string Project(const std::string& name, const std::string& x, const at::Tensor& weight,
                      const at::Tensor& bias) {
    return absl::StrCat("torch.linear(", x, ", ", Weight(name + "_weight", weight), ", ",
                        Weight(name + "_bias", bias), ")");
  }

  std::string Normalized(const std::string& name, const std::string& x, const LayerNorm& norm) {
    return absl::StrCat("torch.layer_norm(", x, ", [", norm.weight.size(0), "], ",
                        Weight(name + "_weight", norm.weight), ", ", Weight(name + "_bias", norm.bias), ", ",
                        norm.eps, ")");
  }

  void Embed(bool token_types) {
    Line("x = torch.embedding(", Weight("word_embeddings", encoder_.word_embeddings), ", input_ids)");
    if (token_types) {
      Line("x = x + torch.embedding(", Weight("token_type_embeddings", encoder_.token_type_embeddings),
           ", token_type_ids)");
    }
    if (!encoder_.position_embeddings.defined()) {
      if (encoder_.token_type_embeddings.defined() && !token_types)
        Line("x = x + ", Weight("token_type_embeddings", encoder_.token_type_embeddings));
    } else if (const std::string table = Weight("position_embeddings", PositionTable(encoder_));
               config_.position_offset == 0) {
      Line("x = x + ", table, "[:S]");
    } else {  // padding gets the row before the first token's
      Line("tokens = (attention_mask > 0).to(input_ids.dtype)");
      Line("x = x + torch.embedding(", table, ", torch.cumsum(tokens, 1) * tokens + ",
           config_.position_offset - 1, ")");
    }
    Line("x = ", Normalized("embeddings_norm", "x", encoder_.embeddings_norm));
    if (const Linear& projection = encoder_.embeddings_projection; projection.weight.defined())
      Line("x = ", Project("embeddings_projection", "x", projection.weight, projection.bias));
  }

  // What the input projection multiplies: "x", or where that is normalised "h".
  std::string Input(const Sublayer& sublayer, const std::string& name) {
    if (!sublayer.norm_first || !sublayer.norm.weight.defined()) return "x";
    Line("h = ", Normalized(name + "_norm", "x", sublayer.norm));
    return "h";
  }

  void Attention(const Sublayer& sublayer) {
    const std::string name = absl::StrCat("layer_", sublayer.layer, "_attention");
    if (sublayer.num_units() == 0) return Empty(sublayer, name);
    const std::string input = Input(sublayer, name);
    const int64_t features = sublayer.num_features();
    int64_t begin = 0;
    for (const char* block : {"query", "key", "value"}) {
      Line(block, " = ",
           Project(absl::StrCat(name, "_", block), input, sublayer.in.weight.narrow(0, begin, features),
                   sublayer.in.bias.narrow(0, begin, features)),
           ".view(B, S, ", sublayer.num_units(), ", ", sublayer.unit_width, ").transpose(1, 2)");
      begin += features;
    }
    if (const AttentionForm form = sublayer.attention(); form.is_plain()) {
      Line("z = torch.scaled_dot_product_attention(query, key, value", config_.patches ? "" : ", mask", ")");
    } else {
      Context(form, name, sublayer.unit_width);
    }
    Line("z = z.transpose(1, 2).reshape(B, S, ", features, ")");
    Settle(sublayer, name);
  }

  void FeedForward(const Sublayer& sublayer) {
    const std::string name = absl::StrCat("layer_", sublayer.layer, "_feed_forward");
    if (sublayer.num_units() == 0) return Empty(sublayer, name);
    const std::string h = Project(name + "_in", Input(sublayer, name), sublayer.in.weight, sublayer.in.bias);
    if (sublayer.gated) {
      Line("gate, up = torch.chunk(", h, ", 2, 2)");
      Line("z = ", Activated(config_.activation, "gate"), " * up");
    } else {
      Line("z = ", Activated(config_.activation, h));
    }
    Settle(sublayer, name);
  }

  static std::string Activated(const std::string& name, const std::string& h) {
    if (name == "gelu" || name == "gelu_new") {
      return absl::StrCat("torch.gelu(", h, ", approximate='", name == "gelu" ? "none" : "tanh", "')");
    }
    return absl::StrCat("torch.", name, "(", h, ")");
  }

  void Settle(const Sublayer& sublayer, const std::string& name) {
    const std::string branch = Project(name + "_out", "z", sublayer.out.weight, sublayer.out.bias);
    Finish(sublayer, name, absl::StrCat("x + ", branch));
  }

  void Finish(const Sublayer& sublayer, const std::string& name, const std::string& sum) {
    Line("x = ", sublayer.norm_first ? sum : Normalized(name + "_norm", sum, sublayer.norm));
  }

  // z of attention that is not BERT's: see AttentionForm.
  void Context(const AttentionForm& form, const std::string& name, int64_t head_dim) {
    if (form.rotary_cos_Ph.defined()) {
      const std::string kind = form.window > 0 ? "local_" : "global_";
      for (const char* x : {"query", "key"}) {
        Line("first, second = torch.chunk(", x, ", 2, 3)");
        Line(x, " = ", x, " * ", Buffer(kind + "cos", form.rotary_cos_Ph),
             "[:S] + torch.cat([-second, first], 3) * ", Buffer(kind + "sin", form.rotary_sin_Ph), "[:S]");
      }
    }
    Line("scores = torch.matmul(query, key.transpose(2, 3))");
    if (form.row_of_distance.defined()) {
      Line("rows = ", Buffer("row_of_distance", form.row_of_distance), "[distance + ",
           (form.row_of_distance.size(0) + 1) / 2 - 1, "]");
    }
    const auto of_pairs = [&](const char* x, const char* suffix, const at::Tensor& table_RU) {
      const at::Tensor by_head =
          table_RU.view({table_RU.size(0), -1, head_dim}).permute({1, 2, 0}).contiguous();
      return absl::StrCat("torch.gather(torch.matmul(", x, ", ", Buffer(name + suffix, by_head), "), 3, rows",
                          std::string(x) == "key" ? ".t()" : "", ".expand(B, ", by_head.size(0), ", S, S))");
    };
    if (form.position_key_RU.defined())
      Line("scores = scores + ", of_pairs("query", "_position_key", form.position_key_RU));
    if (form.position_query_RU.defined()) {
      Line("scores = scores + ", of_pairs("key", "_position_query", form.position_query_RU),
           ".transpose(2, 3)");
    }
    Line("scores = scores / ", std::sqrt(static_cast<double>(head_dim * form.scale_factor)));
    if (form.bias_RH.defined())
      Line("scores = scores + ", Buffer(name + "_position_bias", form.bias_RH), "[rows].permute(2, 0, 1)");
    if (form.window > 0) Line("scores = scores.masked_fill(distance.abs() > ", form.window, ", -1e30)");
    Line("scores = scores.masked_fill(torch.logical_not(mask), -1e32)");
    Line("z = torch.matmul(torch.softmax(scores, 3), value)");
  }

  // A sublayer without units keeps its bias and its norm.
  void Empty(const Sublayer& sublayer, const std::string& name) {
    const std::string sum = absl::StrCat("x + ", Weight(name + "_out_bias", sublayer.out.bias));
    Finish(sublayer, name, sum);
  }

  void Logits() {
    if (HasTokenOutputs(config_.task)) {
      Line("y = x");
    } else if (config_.with_teacher) {
      Line("y = x[:, :2].flatten(1)");
    } else {
      Pool(encoder_.reads_first_tokens());
      Line("y = pooled");
    }
    if (const Linear& dense = encoder_.head_dense; dense.weight.defined()) {
      Line("y = ", Activated(config_.head_activation, Project("head_dense", "y", dense.weight, dense.bias)));
    }
    if (encoder_.head_norm.weight.defined()) Line("y = ", Normalized("head_norm", "y", encoder_.head_norm));
    const Linear& output = encoder_.head_output;
    if (config_.task == Task::kMaskedLm) {
      Line("return torch.linear(y, self.word_embeddings, ", Weight("head_output_bias", output.bias), ")");
      return;
    }
    Line("y = ", Project("head_output", "y", output.weight, output.bias));
    Line(config_.task == Task::kQuestionAnswering ? "return (y[:, :, 0], y[:, :, 1])"
         : config_.task == Task::kMultipleChoice  ? "return y.reshape(-1, choices)"
                                                  : "return y");
  }

  void Pool(bool first_tokens) {
    if (first_tokens) {
      Line("pooled = x[:, 0]");
    } else if (config_.pooling == Pooling::kLastToken) {
      Line("last = ((attention_mask > 0).sum(1) - 1).clamp(min=0)");
      Line("pooled = x.gather(1, last.view(B, 1, 1).expand(B, 1, x.size(2))).squeeze(1)");
    } else if (config_.pooling == Pooling::kMax) {
      Line("pooled = torch.amax(x.masked_fill((attention_mask <= 0).unsqueeze(2), ",
           std::numeric_limits<float>::lowest(), "), [1])");
    } else {
      Line("weights = (attention_mask > 0).to(x.dtype).unsqueeze(2)");
      Line("count = weights.sum(1).clamp(min=1e-9)");
      Line("pooled = (x * weights).sum(1) / ",
           config_.pooling == Pooling::kMeanSqrtLen ? "torch.sqrt(count)" : "count");
    }
  }

  void SentenceEmbedding() {
    Pool(config_.pooling == Pooling::kCls);
    if (config_.normalize)
      Line("pooled = pooled / torch.norm(pooled, 2, [1], keepdim=True).clamp(min=1e-12)");
    Line("return (x, pooled)");
  }

  const Encoder& encoder_;
  const ModelConfig& config_;
  jit::Module module_;
  std::string source_;
};

}  // namespace

absl::Status WriteTorchScript(const Encoder& encoder, const std::filesystem::path& path) {
  std::ostringstream bytes;
  ScriptedEncoder(encoder).Build().save(bytes);
  return WriteFileDurably(path, bytes.str());
}

}  // namespace kprune
