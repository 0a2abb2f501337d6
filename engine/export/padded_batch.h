// Samples as the rectangular tensors that exported models take.
//
// Shapes: N sequences, S length of the longest one, C choices of every multiple-choice sample.
#ifndef KPRUNE_ENGINE_EXPORT_PADDED_BATCH_H_
#define KPRUNE_ENGINE_EXPORT_PADDED_BATCH_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// Sequences that are run at once.
inline constexpr size_t kPaddedSequences = 16;

struct PaddedBatch {
  int64_t rows = 0;                                                // N
  int64_t columns = 0;                                             // S
  int64_t choices = 1;                                             // C, the same for all samples
  std::vector<int64_t> input_ids, attention_mask, token_type_ids;  // [N, S], 0 where padding is
  // Of pictures, in place of these: values, and [N, channels, height, width].
  std::vector<float> pixel_values;
  std::vector<int64_t> pixel_shape;

  explicit PaddedBatch(absl::Span<const Sample> samples) : rows(static_cast<int64_t>(samples.size())) {
    if (!samples.empty() && samples[0].image != nullptr) {
      AddPictures(samples);
      return;
    }
    for (const Sample& sample : samples) {
      columns = std::max(columns, sample.tokens());
      choices = std::max(choices, int64_t{sample.choice} + 1);
    }
    input_ids.resize(rows * columns);
    attention_mask.resize(rows * columns);
    token_type_ids.resize(rows * columns);
    for (int64_t row = 0; row < rows; ++row) {
      const Sample& sample = samples[row];
      std::copy(sample.input_ids.begin(), sample.input_ids.end(), input_ids.begin() + row * columns);
      std::copy(sample.token_type_ids.begin(), sample.token_type_ids.end(),
                token_type_ids.begin() + row * columns);
      std::fill_n(attention_mask.begin() + row * columns, sample.input_ids.size(), 1);
    }
  }

 private:
  void AddPictures(absl::Span<const Sample> samples) {
    const ImageShape& shape = samples[0].image->shape();
    const auto values = static_cast<size_t>(shape.values());
    columns = samples[0].tokens();
    pixel_shape = {rows, shape.channels, shape.height, shape.width};
    pixel_values.resize(samples.size() * values);
    for (size_t i = 0; i < samples.size(); ++i)
      samples[i].image->Write(absl::MakeSpan(pixel_values).subspan(i * values, values));
  }
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_PADDED_BATCH_H_
