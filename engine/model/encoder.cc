#include "engine/model/encoder.h"

#include <ATen/ATen.h>

#include "engine/model/matrix_product.h"
#include "engine/model/portable_steps.h"

namespace kprune {
namespace {

at::Tensor MeanOfTokens(const at::Tensor& x_Td, const Batch& batch) {
  const at::Tensor lengths = batch.offsets_device.diff().to(x_Td.scalar_type()).unsqueeze(1);  // [N, 1]
  return batch.Pad(x_Td).sum(1) / lengths;
}

// x in the type of the weights that it is to be multiplied with.
at::Tensor ToElements(const at::Tensor& x, const at::Tensor& weight) {
  if (x.scalar_type() == weight.scalar_type()) return x;
  return EmptyWithRoom(x.size(0), x.size(1), weight.options()).copy_(x);
}

}  // namespace

at::Tensor FirstTokens(const at::Tensor& x_Td, const Batch& batch) {
  return x_Td.index_select(0, batch.offsets_device.narrow(0, 0, batch.size()));
}

at::Tensor Linear::operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

at::Tensor Encoder::Embed(const Batch& batch) const {
  at::Tensor x = at::embedding(word_embeddings, batch.input_ids_T);
  if (token_type_embeddings.defined()) x = x + at::embedding(token_type_embeddings, batch.token_type_ids_T);
  x = embeddings_norm(x + at::embedding(position_embeddings, batch.positions_T + config.position_offset));
  return embeddings_projection.weight.defined() ? embeddings_projection(x) : x;
}

at::Tensor Encoder::Features(int t, const at::Tensor& x_Td, const Batch& batch) const {
  const Sublayer& sublayer = sublayers[t];
  // Fused attention kernels fail on zero heads; an empty sublayer has no features.
  if (sublayer.num_units() == 0) return at::empty({x_Td.size(0), 0}, x_Td.options());
  const at::Tensor& weight = sublayer.in.weight;
  const at::Tensor x = ToElements(x_Td, weight);
  at::Tensor projected = EmptyWithRoom(x.size(0), weight.size(0), weight.options());
  if (sublayer.kind == SublayerKind::kFeedForward) {
    ActivatedProduct(config.activation, x, weight.t(), sublayer.in.bias, projected,
                     /*derivative=*/at::Tensor());
    return projected;
  }
  MatrixProduct(x, weight.t(), projected);
  at::Tensor context = EmptyWithRoom(projected.size(0), sublayer.num_features(), projected.options());
  Attend(projected, sublayer.in.bias, sublayer.num_units(), batch, context);
  return context;
}

at::Tensor Encoder::PreNorm(int t, const at::Tensor& x_Td, const at::Tensor& z_TU) const {
  const Linear& out = sublayers[t].out;
  if (z_TU.size(1) == 0) return x_Td + out.bias;
  at::Tensor branch = EmptyWithRoom(z_TU.size(0), out.weight.size(0), out.weight.options());
  MatrixProduct(ToElements(z_TU, out.weight), out.weight.t(), branch);
  return (x_Td + out.bias).add_(branch);
}

at::Tensor Encoder::Norm(int t, const at::Tensor& y_Td) const { return sublayers[t].norm(y_Td); }

at::Tensor Encoder::Forward(int t, const at::Tensor& x_Td, const Batch& batch) const {
  return Norm(t, PreNorm(t, x_Td, Features(t, x_Td, batch)));
}

at::Tensor Encoder::Output(const at::Tensor& x_Td, const Batch& batch) const {
  return Head(reads_first_tokens() ? FirstTokens(x_Td, batch) : x_Td, batch);
}

bool Encoder::reads_first_tokens() const {
  return config.task != Task::kEmbedding || config.pooling == Pooling::kCls;
}

at::Tensor Encoder::Head(const at::Tensor& x_Rd, const Batch& batch) const {
  if (const TaskHead* head = config.head()) {
    if (!head_dense.weight.defined()) return head_output(x_Rd);
    return head_output(portable::Activated(head->activation, head_dense(x_Rd)));
  }
  const at::Tensor pooled = reads_first_tokens() ? x_Rd : MeanOfTokens(x_Rd, batch);
  if (!config.normalize) return pooled;
  return pooled / pooled.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor Encoder::Run(const Batch& batch) const {
  at::Tensor x = Embed(batch);
  for (int t = 0; t < num_sublayers(); ++t) x = Forward(t, x, batch);
  return Output(x, batch);
}

void Encoder::Keep(int t, const Selection& keep) {
  Sublayer& sublayer = sublayers[t];
  const at::Tensor features = FeaturesOf(keep, sublayer.unit_width, sublayer.in.weight.device());
  std::vector<at::Tensor> rows;
  for (int64_t block = 0; block < sublayer.in_blocks(); ++block)
    rows.push_back(features + block * sublayer.num_features());
  const at::Tensor in_rows = at::cat(rows);
  sublayer.in = {sublayer.in.weight.index_select(0, in_rows), sublayer.in.bias.index_select(0, in_rows)};
  sublayer.out.weight = sublayer.out.weight.index_select(1, features);
  std::vector<int64_t> units;
  for (int64_t position : keep) units.push_back(sublayer.units[position]);
  sublayer.units = std::move(units);
  auto& recorded = sublayer.kind == SublayerKind::kAttention ? config.heads : config.neurons;
  recorded[sublayer.layer] = sublayer.units;
}

void Encoder::Restore(int t, const Encoder& other) {
  sublayers[t] = other.sublayers[t];
  auto& recorded = sublayers[t].kind == SublayerKind::kAttention ? config.heads : config.neurons;
  recorded[sublayers[t].layer] = sublayers[t].units;
}

void Encoder::ReplaceInput(int t, const Linear& in) {
  Linear& current = sublayers[t].in;
  const at::ScalarType type = current.weight.scalar_type();
  current = {in.weight.to(type), in.bias.to(type)};
}

void Encoder::ReplaceOutput(int t, const Linear& out) {
  Linear& current = sublayers[t].out;
  const at::ScalarType type = current.weight.scalar_type();
  current = {out.weight.to(type), out.bias.to(type)};
}

Encoder Encoder::WithComputeType(at::ScalarType type) const {
  Encoder result = *this;
  for (Sublayer& sublayer : result.sublayers) {
    for (at::Tensor* tensor :
         {&sublayer.in.weight, &sublayer.in.bias, &sublayer.out.weight, &sublayer.out.bias})
      *tensor = tensor->to(type);
  }
  return result;
}

int64_t Encoder::num_parameters() const {
  int64_t count = 0;
  const auto add = [&](const at::Tensor& tensor) { count += tensor.defined() ? tensor.numel() : 0; };
  for (const at::Tensor& tensor :
       {word_embeddings, position_embeddings, token_type_embeddings, embeddings_norm.weight,
        embeddings_norm.bias, embeddings_projection.weight, embeddings_projection.bias, head_dense.weight,
        head_dense.bias, head_output.weight, head_output.bias}) {
    add(tensor);
  }
  for (const Sublayer& sublayer : sublayers) {
    for (const at::Tensor& tensor : {sublayer.in.weight, sublayer.in.bias, sublayer.out.weight,
                                     sublayer.out.bias, sublayer.norm.weight, sublayer.norm.bias}) {
      add(tensor);
    }
  }
  return count;
}

at::Tensor FeaturesOf(const Selection& keep, int64_t unit_width, at::Device device) {
  std::vector<int64_t> features;
  features.reserve(keep.size() * unit_width);
  for (int64_t unit : keep) {
    for (int64_t i = 0; i < unit_width; ++i) features.push_back(unit * unit_width + i);
  }
  return at::tensor(features, at::kLong).to(device);
}

}  // namespace kprune
