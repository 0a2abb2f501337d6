// Unlabelled variants of samples: the same texts cropped, with words left out and with words of other
// samples, as further material for measuring and refitting.
#ifndef KPRUNE_ENGINE_DATA_VARIANTS_H_
#define KPRUNE_ENGINE_DATA_VARIANTS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// `count` variants of every sample, without labels. What frames all samples stays: the first token they share
// ([CLS]) and the last ([SEP]), which also parts the texts of a pair. A text may be cropped, lose up to 30 %
// of its tokens, get up to 20 % of them replaced by tokens of other samples, and end as another sample does;
// the texts of a pair may also be swapped, repeated or paired anew. Tokens that count (Sample::positions) do
// so wherever they get; choices stay together, each varied by itself. Never longer than the longest sample.
// The same arguments give the same variants on every machine. Pictures: see MakeImageVariants.
std::vector<Sample> MakeVariants(absl::Span<const Sample> samples, int count, uint32_t seed);

// The samples, and behind them `count` variants of every one.
std::vector<Sample> WithVariants(absl::Span<const Sample> samples, int count, uint32_t seed);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_VARIANTS_H_
