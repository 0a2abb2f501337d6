#include "engine/model/batch.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "engine/model/determinism.h"

namespace kprune {
namespace {

at::Tensor LongTensor(const std::vector<int64_t>& values, at::Device device) {
  return at::tensor(values, at::kLong).to(device);
}

// Which tokens count, and which sequences belong to one sample.
void AddRows(absl::Span<const Sample> samples, at::Device device, Batch& batch) {
  std::vector<int64_t> positions, sample_of;
  bool all = true;
  batch.row_offsets.push_back(0);
  for (int64_t n = 0; n < batch.size(); ++n) {
    const Sample& sample = samples[batch.samples[n]];
    if (n == 0 || sample.choice == 0) batch.sample_offsets.push_back(n);
    sample_of.push_back(static_cast<int64_t>(batch.sample_offsets.size()) - 1);
    all = all && sample.positions.empty();
    for (const int32_t position : sample.positions) positions.push_back(batch.offsets[n] + position);
    if (sample.positions.empty()) {
      for (int64_t t = batch.offsets[n]; t < batch.offsets[n + 1]; ++t) positions.push_back(t);
    }
    batch.row_offsets.push_back(static_cast<int64_t>(positions.size()));
  }
  batch.sample_offsets.push_back(batch.size());
  if (!all) batch.positions_R = LongTensor(positions, device);
  if (batch.num_samples() < batch.size()) batch.sample_of_N = LongTensor(sample_of, device);
}

Batch MakeBatch(absl::Span<const Sample> samples, absl::Span<const int64_t> indices, at::Device device) {
  Batch batch;
  batch.samples.assign(indices.begin(), indices.end());
  batch.offsets.push_back(0);
  bool uniform = true;
  for (int64_t index : indices) {
    const int64_t length = samples[index].tokens();
    uniform = uniform && (batch.longest == 0 || batch.longest == length);
    batch.longest = std::max(batch.longest, length);
    batch.offsets.push_back(batch.offsets.back() + length);
  }
  std::vector<int64_t> ids, types, positions, slots;
  for (int64_t n = 0; n < batch.size(); ++n) {
    const Sample& sample = samples[indices[n]];
    if (sample.image != nullptr) batch.images.push_back(sample.image);
    ids.insert(ids.end(), sample.input_ids.begin(), sample.input_ids.end());
    types.insert(types.end(), sample.token_type_ids.begin(), sample.token_type_ids.end());
    for (size_t s = 0; s < static_cast<size_t>(sample.tokens()); ++s) {
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
  AddRows(samples, device, batch);
  if (!uniform) {
    at::Tensor mask = at::full({batch.size() * batch.longest}, -std::numeric_limits<float>::infinity(),
                               at::TensorOptions(at::kFloat).device(device));
    mask.index_fill_(0, batch.slots_T, 0.0);
    batch.mask_N11S = mask.view({batch.size(), 1, 1, batch.longest});
  }
  return batch;
}

// Sequences that stay together.
struct Unit {
  int64_t first = 0, count = 0, longest = 0, tokens = 0;
};

std::vector<Unit> UnitsOf(absl::Span<const Sample> samples) {
  std::vector<Unit> units;
  for (int64_t i = 0; i < static_cast<int64_t>(samples.size()); ++i) {
    const auto length = samples[i].tokens();
    if (units.empty() || samples[i].choice == 0) units.push_back({.first = i});
    Unit& unit = units.back();
    unit.count += 1;
    unit.longest = std::max(unit.longest, length);
    unit.tokens += length;
  }
  return units;
}

// A batch to be: units first .. end - 1.
struct Piece {
  size_t first, end;
  int64_t group_size;
  bool closes_group;
};

// As many units in each piece as `max_tokens` and the group allow.
std::vector<Piece> FullPieces(absl::Span<const Unit> units, int64_t group_size, int64_t max_tokens) {
  std::vector<Piece> pieces;
  for (size_t first = 0; first < units.size();) {
    const size_t group_end = first + std::min<uint64_t>(group_size, units.size() - first);
    const auto group = static_cast<int64_t>(group_end - first);
    while (first < group_end) {
      size_t end = first + 1;
      for (int64_t tokens = units[first].tokens; end < group_end && tokens + units[end].tokens <= max_tokens;
           ++end)
        tokens += units[end].tokens;
      pieces.push_back({first, end, group, end == group_end});
      first = end;
    }
  }
  return pieces;
}

// As few pieces as FullPieces, rounded up to `multiple`: those of the lowest limit that gives no more.
std::vector<Piece> EvenPieces(absl::Span<const Unit> units, int64_t group_size, int64_t max_tokens,
                              int64_t multiple) {
  const auto count = [&](int64_t limit) { return FullPieces(units, group_size, limit).size(); };
  const size_t fewest = count(max_tokens), wanted = (fewest + multiple - 1) / multiple * multiple;
  int64_t all = 0;
  for (const Unit& unit : units) all += unit.tokens;
  int64_t low = 0, high = std::min(max_tokens, all);  // `high` gives no more, `low` perhaps
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (count(middle) <= wanted ? high : low) = middle;
  }
  return FullPieces(units, group_size, high);
}

}  // namespace

at::Tensor Batch::Pixels() const {
  const ImageShape& shape = images[0]->shape();
  const at::Tensor pixels = at::empty({size(), shape.channels, shape.height, shape.width}, at::kFloat);
  float* const values = pixels.mutable_data_ptr<float>();
  at::parallel_for(0, size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      images[n]->Write({values + n * shape.values(), static_cast<size_t>(shape.values())});
  });
  return pixels.to(offsets_device.device());
}

at::Tensor Batch::Pad(const at::Tensor& x_Td) const {
  const int64_t d = x_Td.size(1);
  if (!padded()) return x_Td.reshape({size(), longest, d});
  const Determinism unordered(Determinism::kUnorderedRows);
  return at::zeros({size() * longest, d}, x_Td.options())
      .index_copy(0, slots_T, x_Td)
      .view({size(), longest, d});
}

at::Tensor Batch::Unpad(const at::Tensor& x_NSd) const {
  const at::Tensor flat = x_NSd.reshape({size() * longest, x_NSd.size(2)});
  return padded() ? flat.index_select(0, slots_T) : flat;
}

std::vector<Batch> MakeBatches(absl::Span<const Sample> samples, int64_t group_size, const std::string& order,
                               at::Device device, int64_t max_tokens, int64_t multiple) {
  std::vector<Unit> units = UnitsOf(samples);
  if (order == "length") {
    std::stable_sort(units.begin(), units.end(),
                     [](const Unit& a, const Unit& b) { return a.longest < b.longest; });
  }
  std::vector<Batch> batches;
  int64_t begin = 0;
  for (const Piece& piece : EvenPieces(units, group_size, max_tokens, multiple)) {
    std::vector<int64_t> indices;
    for (size_t unit = piece.first; unit < piece.end; ++unit) {
      for (int64_t i = 0; i < units[unit].count; ++i) indices.push_back(units[unit].first + i);
    }
    Batch& batch = batches.emplace_back(MakeBatch(samples, indices, device));
    batch.begin = begin;
    batch.group_size = piece.group_size;
    batch.closes_group = piece.closes_group;
    begin = batch.end();
  }
  return batches;
}

}  // namespace kprune
