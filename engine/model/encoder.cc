#include "engine/model/encoder.h"

#include <ATen/ATen.h>

#include "engine/model/matrix_product.h"
#include "engine/model/portable_steps.h"

namespace kprune {
namespace {

// Of poolings that read all tokens.
at::Tensor Pooled(Pooling pooling, const at::Tensor& x_Td, const Batch& batch) {
  if (pooling == Pooling::kLastToken)
    return x_Td.index_select(0, batch.offsets_device.narrow(0, 1, batch.size()) - 1);
  const at::Tensor padded_NSd = batch.Pad(x_Td);
  if (pooling == Pooling::kMax) {
    if (!batch.padded()) return padded_NSd.amax(1);
    return (padded_NSd + batch.mask_N11S.view({batch.size(), batch.longest, 1})).amax(1);
  }
  const at::Tensor lengths = batch.offsets_device.diff().to(x_Td.scalar_type()).unsqueeze(1);  // [N, 1]
  return padded_NSd.sum(1) / (pooling == Pooling::kMeanSqrtLen ? lengths.sqrt() : lengths);
}

// The first and the second token of every sequence side by side: [N, 2d].
at::Tensor FirstTwoTokens(const at::Tensor& x_Td, const Batch& batch) {
  const at::Tensor first = batch.offsets_device.narrow(0, 0, batch.size());
  return x_Td.index_select(0, at::stack({first, first + 1}, 1).flatten())
      .view({batch.size(), 2 * x_Td.size(1)});
}

// What features add to the hidden states but for the bias.
at::Tensor Branch(const Linear& out, const at::Tensor& z_TU) {
  at::Tensor branch = at::empty({z_TU.size(0), out.weight.size(0)}, out.weight.options());
  MatrixProduct(z_TU.to(out.weight.scalar_type()), out.weight.t(), branch);
  return branch;
}

}  // namespace

at::Tensor FirstTokens(const at::Tensor& x_Td, const Batch& batch) {
  return x_Td.index_select(0, batch.offsets_device.narrow(0, 0, batch.size()));
}

at::Tensor Linear::operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }

// A convolution without overlaps is a product with every patch.
at::Tensor Encoder::EmbedImages(const Batch& batch) const {
  const PatchConfig& patches = *config.patches;
  const at::Tensor values = batch.Pixels()
                                .view({batch.size(), patches.image.channels, patches.rows(),
                                       patches.patch_height, patches.columns(), patches.patch_width})
                                .permute({0, 2, 4, 1, 3, 5})
                                .reshape({-1, patches.values()});
  const at::Tensor projected = at::linear(values, patch_projection.weight.flatten(1), patch_projection.bias);
  const at::Tensor first = class_tokens.expand({batch.size(), patches.class_tokens, class_tokens.size(1)});
  return (at::cat({first, projected.view({batch.size(), -1, projected.size(1)})}, 1) + position_embeddings)
      .flatten(0, 1);
}

at::Tensor Encoder::Embed(const Batch& batch) const {
  if (config.patches) return EmbedImages(batch);
  at::Tensor x = at::embedding(word_embeddings, batch.input_ids_T);
  if (token_type_embeddings.defined()) x = x + at::embedding(token_type_embeddings, batch.token_type_ids_T);
  if (position_embeddings.defined())
    x = x + at::embedding(position_embeddings, batch.positions_T + config.position_offset);
  x = embeddings_norm(x);
  return embeddings_projection.weight.defined() ? embeddings_projection(x) : x;
}

at::Tensor Encoder::Features(int t, const at::Tensor& x_Td, const Batch& batch) const {
  const Sublayer& sublayer = sublayers[t];
  // Fused attention kernels fail on zero heads; an empty sublayer has no features.
  if (sublayer.num_units() == 0) return at::empty({x_Td.size(0), 0}, x_Td.options());
  const at::Tensor& weight = sublayer.in.weight;
  const at::Tensor x = Input(t, x_Td).to(weight.scalar_type());
  at::Tensor projected = at::empty({x.size(0), weight.size(0)}, weight.options());
  if (sublayer.gated) {
    MatrixProduct(x, weight.t(), projected);
    at::Tensor z = at::empty({x.size(0), sublayer.num_features()}, weight.options());
    ActivateGated(config.activation, projected, sublayer.in.bias, z, /*derivatives=*/at::Tensor());
    return z;
  }
  if (sublayer.kind == SublayerKind::kFeedForward) {
    ActivatedProduct(config.activation, x, weight.t(), sublayer.in.bias, projected,
                     /*derivative=*/at::Tensor());
    return projected;
  }
  MatrixProduct(x, weight.t(), projected);
  at::Tensor context = at::empty({projected.size(0), sublayer.num_features()}, projected.options());
  Attend(projected, sublayer.in.bias, sublayer.num_units(), batch, context, sublayer.attention());
  return context;
}

at::Tensor Encoder::PreNorm(int t, const at::Tensor& x_Td, const at::Tensor& z_TU) const {
  at::Tensor y_Td = at::empty_like(x_Td);
  PutPreNorm(t, x_Td, z_TU, y_Td);
  return y_Td;
}

void Encoder::PutPreNorm(int t, const at::Tensor& x_Td, const at::Tensor& z_TU, at::Tensor& to_Td) const {
  const Linear& out = sublayers[t].out;
  if (z_TU.size(1) == 0) {
    at::add_out(to_Td, x_Td, out.bias);
  } else {
    AddBranch(x_Td, Branch(out, z_TU), out.bias, to_Td);
  }
}

at::Tensor Encoder::Norm(int t, const at::Tensor& y_Td) const {
  if (sublayers[t].norm_first) return y_Td;
  at::Tensor x_Td = at::empty_like(y_Td);
  Normalize(y_Td, sublayers[t].norm, x_Td);
  return x_Td;
}

at::Tensor Encoder::Input(int t, const at::Tensor& x_Td) const {
  const Sublayer& sublayer = sublayers[t];
  return sublayer.norm_first && sublayer.norm.weight.defined() ? sublayer.norm(x_Td) : x_Td;
}

at::Tensor Encoder::Forward(int t, const at::Tensor& x_Td, const Batch& batch) const {
  return Finish(t, x_Td, Features(t, x_Td, batch));
}

at::Tensor Encoder::Finish(int t, const at::Tensor& x_Td, const at::Tensor& z_TU) const {
  at::Tensor out_Td = at::empty_like(x_Td);
  PutFinish(t, x_Td, z_TU, out_Td);
  return out_Td;
}

void Encoder::PutFinish(int t, const at::Tensor& x_Td, const at::Tensor& z_TU, at::Tensor& to_Td) const {
  const Sublayer& sublayer = sublayers[t];
  if (sublayer.norm_first || z_TU.size(1) == 0) {
    PutPreNorm(t, x_Td, z_TU, to_Td);
    NormInPlace(t, to_Td);
  } else {
    AddNorm(x_Td, Branch(sublayer.out, z_TU), sublayer.out.bias, sublayer.norm,
            {to_Td, /*statistics_T2=*/at::Tensor(), to_Td, /*out_element_Td=*/at::Tensor()});
  }
}

void Encoder::NormInPlace(int t, const at::Tensor& y_Td) const {
  if (!sublayers[t].norm_first) Normalize(y_Td, sublayers[t].norm, y_Td);
}

at::Tensor Encoder::Output(const at::Tensor& x_Td, const Batch& batch) const {
  return Head(reads_first_tokens() ? FirstTokens(x_Td, batch) : x_Td, batch);
}

bool Encoder::reads_first_tokens() const { return config.reads_first_tokens(); }

at::Tensor Encoder::Head(const at::Tensor& states_Rd, const Batch& batch) const {
  const bool tokens = HasTokenOutputs(config.task);
  const bool some = tokens && batch.positions_R.defined();
  at::Tensor x_Rd = some ? states_Rd.index_select(0, batch.positions_R) : states_Rd;
  if (final_norm.weight.defined()) x_Rd = final_norm(x_Rd);
  at::Tensor pooled = tokens || reads_first_tokens() ? x_Rd
                      : config.with_teacher          ? FirstTwoTokens(x_Rd, batch)
                                                     : Pooled(config.pooling, x_Rd, batch);
  if (config.head() != nullptr) {
    if (head_dense.weight.defined()) pooled = portable::Activated(config.head_activation, head_dense(pooled));
    return head_output(head_norm.weight.defined() ? head_norm(pooled) : pooled);
  }
  if (!config.normalize) return pooled;
  return pooled / pooled.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

at::Tensor Encoder::Run(const Batch& batch) const {
  at::Tensor x = Embed(batch);
  for (int t = 0; t < num_sublayers(); ++t) x = Forward(t, x, batch);
  return Output(x, batch);
}

void Encoder::Keep(int t, const Selection& keep) {
  Sublayer sublayer = sublayers[t];
  const at::Tensor features = FeaturesOf(keep, sublayer.unit_width, sublayer.in.weight.device());
  std::vector<at::Tensor> rows;
  for (int64_t block = 0; block < sublayer.in_blocks(); ++block)
    rows.push_back(features + block * sublayer.num_features());
  const at::Tensor in_rows = at::cat(rows);
  sublayer.in = {sublayer.in.weight.index_select(0, in_rows), sublayer.in.bias.index_select(0, in_rows)};
  sublayer.out.weight = sublayer.out.weight.index_select(1, features);
  if (sublayer.kind == SublayerKind::kAttention) {
    sublayer.form = sublayer.form.OfHeads(at::tensor(keep, at::kLong).to(features.device()), features);
    for (Linear* projection : {&sublayer.positions.key, &sublayer.positions.query}) {
      if (!projection->weight.defined()) continue;
      *projection = {projection->weight.index_select(0, features),
                     projection->bias.index_select(0, features)};
    }
  }
  std::vector<int64_t> units;
  for (int64_t position : keep) units.push_back(sublayer.units[position]);
  sublayer.units = std::move(units);
  Put(t, sublayer);
}

void Encoder::Put(int t, const Sublayer& sublayer) {
  auto& recorded = sublayer.kind == SublayerKind::kAttention ? config.heads : config.neurons;
  for (const int place : config.PlacesOf(t)) {
    sublayers[place] = sublayer;
    sublayers[place].layer = place / 2;
    recorded[place / 2] = sublayer.units;
  }
}

Linear SwappedBlocks(const Linear& linear) {
  const int64_t rows = linear.weight.size(0) / 2;
  return {linear.weight.roll(rows, 0), linear.bias.roll(rows, 0)};
}

AttentionForm Sublayer::attention() const {
  if (!positions.embeddings_Rd.defined()) return form;
  AttentionForm result = form;
  const int64_t U = num_features();
  const auto projected = [&](const Linear& own, int64_t block) {
    const Linear shared{in.weight.narrow(0, block * U, U), in.bias.narrow(0, block * U, U)};
    const Linear& used = own.weight.defined() ? own : shared;
    const at::ScalarType type = positions.embeddings_Rd.scalar_type();
    return at::linear(positions.embeddings_Rd, used.weight.to(type), used.bias.to(type));
  };
  if (positions.as_keys) result.position_key_RU = projected(positions.key, 1);
  if (positions.as_queries) result.position_query_RU = projected(positions.query, 0);
  return result;
}

void Encoder::ReplaceInput(int t, const Linear& in) {
  Sublayer sublayer = sublayers[t];
  const at::ScalarType type = sublayer.in.weight.scalar_type();
  sublayer.in = {in.weight.to(type), in.bias.to(type)};
  Put(t, sublayer);
}

void Encoder::ReplaceOutput(int t, const Linear& out) {
  Sublayer sublayer = sublayers[t];
  const at::ScalarType type = sublayer.out.weight.scalar_type();
  sublayer.out = {out.weight.to(type), out.bias.to(type)};
  Put(t, sublayer);
}

// The last sublayer always has a norm.
at::Device Encoder::device() const { return sublayers.back().norm.weight.device(); }
at::TensorOptions Encoder::hidden_options() const {
  return sublayers.back().norm.weight.options().requires_grad(false);
}

Encoder Encoder::WithComputeType(at::ScalarType type) const {
  Encoder result = *this;
  for (const int t : config.OwnSublayers()) {
    Sublayer sublayer = sublayers[t];
    for (at::Tensor* tensor :
         {&sublayer.in.weight, &sublayer.in.bias, &sublayer.out.weight, &sublayer.out.bias})
      *tensor = tensor->to(type);
    result.Put(t, sublayer);
  }
  return result;
}

int64_t Encoder::num_parameters() const {
  int64_t count = 0;
  const auto add = [&](const at::Tensor& tensor) { count += tensor.defined() ? tensor.numel() : 0; };
  for (const at::Tensor& tensor :
       {word_embeddings, position_embeddings, token_type_embeddings, embeddings_norm.weight,
        embeddings_norm.bias, embeddings_projection.weight, embeddings_projection.bias,
        patch_projection.weight, patch_projection.bias, class_tokens, head_norm.weight, head_norm.bias,
        final_norm.weight, final_norm.bias, head_dense.weight, head_dense.bias, head_output.bias}) {
    add(tensor);
  }
  if (!head_output.weight.is_same(word_embeddings)) add(head_output.weight);
  for (const int t : config.OwnSublayers()) {
    const Sublayer& sublayer = sublayers[t];
    const RelativePositions& positions = sublayer.positions;
    for (const at::Tensor& tensor :
         {sublayer.in.weight, sublayer.in.bias, sublayer.out.weight, sublayer.out.bias, sublayer.norm.weight,
          sublayer.norm.bias, positions.key.weight, positions.key.bias, positions.query.weight,
          positions.query.bias}) {
      add(tensor);
    }
  }
  // Tables that all layers share.
  if (!sublayers.empty()) {
    add(sublayers[0].positions.embeddings_Rd);
    add(sublayers[0].form.bias_RH);
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
