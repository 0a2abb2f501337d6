#include "engine/model/batch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace kprune {
namespace {

at::Tensor LongTensor(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

Batch MakeBatch(absl::Span<const Sample> samples, absl::Span<const int64_t> indices, at::Device device) {
  Batch batch;
  batch.samples.assign(indices.begin(), indices.end());
  batch.offsets.push_back(0);
  bool uniform = true;
  for (int64_t index : indices) {
    const int64_t length = static_cast<int64_t>(samples[index].input_ids.size());
    uniform = uniform && (batch.longest == 0 || batch.longest == length);
    batch.longest = std::max(batch.longest, length);
    batch.offsets.push_back(batch.offsets.back() + length);
  }
  std::vector<int64_t> ids, types, positions, slots;
  for (int64_t n = 0; n < batch.size(); ++n) {
    const Sample& sample = samples[indices[n]];
    ids.insert(ids.end(), sample.input_ids.begin(), sample.input_ids.end());
    types.insert(types.end(), sample.token_type_ids.begin(), sample.token_type_ids.end());
    for (size_t s = 0; s < sample.input_ids.size(); ++s) {
      positions.push_back(static_cast<int64_t>(s));
      slots.push_back(n * batch.longest + static_cast<int64_t>(s));
    }
  }
  batch.input_ids_T = LongTensor(ids, device);
  batch.token_type_ids_T = LongTensor(types, device);
  batch.positions_T = LongTensor(positions, device);
  batch.slots_T = LongTensor(slots, device);
  batch.samples_device = LongTensor(batch.samples, device);
  batch.offsets_device = LongTensor(batch.offsets, device);
  if (!uniform) {
    at::Tensor mask = at::full({batch.size() * batch.longest}, -std::numeric_limits<float>::infinity(),
                               at::TensorOptions(at::kFloat).device(device));
    mask.index_fill_(0, batch.slots_T, 0.0);
    batch.mask_N11S = mask.view({batch.size(), 1, 1, batch.longest});
  }
  return batch;
}

}  // namespace

at::Tensor Batch::Pad(const at::Tensor& x_Td) const {
  const int64_t d = x_Td.size(1);
  if (!padded()) return x_Td.reshape({size(), longest, d});
  return at::zeros({size() * longest, d}, x_Td.options())
      .index_copy(0, slots_T, x_Td)
      .view({size(), longest, d});
}

at::Tensor Batch::Unpad(const at::Tensor& x_NSd) const {
  const at::Tensor flat = x_NSd.reshape({size() * longest, x_NSd.size(2)});
  return padded() ? flat.index_select(0, slots_T) : flat;
}

std::vector<Batch> MakeBatches(absl::Span<const Sample> samples, int64_t group_size, const std::string& order,
                               at::Device device, int64_t max_tokens) {
  std::vector<int64_t> indices(samples.size());
  std::iota(indices.begin(), indices.end(), 0);
  if (order == "length") {
    std::stable_sort(indices.begin(), indices.end(), [&](int64_t a, int64_t b) {
      return samples[a].input_ids.size() < samples[b].input_ids.size();
    });
  }
  std::vector<Batch> batches;
  int64_t begin = 0;
  const auto length = [&](size_t i) { return static_cast<int64_t>(samples[indices[i]].input_ids.size()); };
  for (size_t first = 0; first < indices.size();) {
    const size_t group_end = first + std::min<uint64_t>(group_size, indices.size() - first);
    const auto group = static_cast<int64_t>(group_end - first);
    while (first < group_end) {
      size_t end = first + 1;
      for (int64_t tokens = length(first); end < group_end && tokens + length(end) <= max_tokens; ++end)
        tokens += length(end);
      Batch& batch = batches.emplace_back(
          MakeBatch(samples, absl::MakeConstSpan(indices).subspan(first, end - first), device));
      batch.begin = begin;
      batch.group_size = group;
      batch.closes_group = end == group_end;
      begin = batch.end();
      first = end;
    }
  }
  return batches;
}

}  // namespace kprune
