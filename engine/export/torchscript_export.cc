// Shapes: B sequences of S tokens, d hidden size.
#include "engine/export/torchscript_export.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/export.h>

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
    const bool token_types = encoder_.takes_token_types();
    absl::StrAppend(&source_, "def forward(self, input_ids: Tensor, attention_mask: Tensor",
                    token_types ? ", token_type_ids: Tensor" : "", "):\n");
    Line("B, S = input_ids.size(0), input_ids.size(1)");
    Line("mask = (attention_mask > 0).view(B, 1, 1, S)");
    Embed(token_types);
    for (const Sublayer& sublayer : encoder_.sublayers) {
      sublayer.kind == SublayerKind::kAttention ? Attention(sublayer) : FeedForward(sublayer);
    }
    config_.task == Task::kEmbedding ? SentenceEmbedding() : Logits();
    module_.define(source_);
    module_.eval();
    return module_;
  }

 private:
  template <typename... Parts>
  void Line(const Parts&... parts) {
    absl::StrAppend(&source_, "  ", parts..., "\n");
  }

  // "self.name", with the tensor behind it.
  std::string Weight(const std::string& name, const at::Tensor& tensor) {
    module_.register_parameter(name, tensor.detach().to(at::kCPU, at::kFloat).contiguous(),
                               /*is_buffer=*/false);
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
    const std::string table = Weight("position_embeddings", PositionTable(encoder_));
    if (config_.position_offset == 0) {
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

  void Attention(const Sublayer& sublayer) {
    const std::string name = absl::StrCat("layer_", sublayer.layer, "_attention");
    if (sublayer.num_units() == 0) return Empty(sublayer, name);
    const int64_t features = sublayer.num_features();
    int64_t begin = 0;
    for (const char* block : {"query", "key", "value"}) {
      Line(block, " = ",
           Project(absl::StrCat(name, "_", block), "x", sublayer.in.weight.narrow(0, begin, features),
                   sublayer.in.bias.narrow(0, begin, features)),
           ".view(B, S, ", sublayer.num_units(), ", ", sublayer.unit_width, ").transpose(1, 2)");
      begin += features;
    }
    Line("z = torch.scaled_dot_product_attention(query, key, value, mask)");
    Line("z = z.transpose(1, 2).reshape(B, S, ", features, ")");
    Settle(sublayer, name);
  }

  void FeedForward(const Sublayer& sublayer) {
    const std::string name = absl::StrCat("layer_", sublayer.layer, "_feed_forward");
    if (sublayer.num_units() == 0) return Empty(sublayer, name);
    const std::string h = Project(name + "_in", "x", sublayer.in.weight, sublayer.in.bias);
    Line("z = ", Activated(config_.activation, h));
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
    Line("x = ", Normalized(name + "_norm", absl::StrCat("x + ", branch), sublayer.norm));
  }

  // A sublayer without units keeps its bias and its norm.
  void Empty(const Sublayer& sublayer, const std::string& name) {
    const std::string sum = absl::StrCat("x + ", Weight(name + "_out_bias", sublayer.out.bias));
    Line("x = ", Normalized(name + "_norm", sum, sublayer.norm));
  }

  void Logits() {
    Line("pooled = x[:, 0]");
    if (const Linear& dense = encoder_.head_dense; dense.weight.defined()) {
      Line("pooled = ",
           Activated(config_.head()->activation, Project("head_dense", "pooled", dense.weight, dense.bias)));
    }
    Line("return ", Project("head_output", "pooled", encoder_.head_output.weight, encoder_.head_output.bias));
  }

  void SentenceEmbedding() {
    if (config_.pooling == Pooling::kCls) {
      Line("pooled = x[:, 0]");
    } else {
      Line("weights = (attention_mask > 0).to(x.dtype).unsqueeze(2)");
      Line("pooled = (x * weights).sum(1) / weights.sum(1).clamp(min=1e-9)");
    }
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
