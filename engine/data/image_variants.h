// Unlabelled variants of pictures: what MakeVariants makes where samples are no texts.
#ifndef KPRUNE_ENGINE_DATA_IMAGE_VARIANTS_H_
#define KPRUNE_ENGINE_DATA_IMAGE_VARIANTS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// `count` variants of every picture, without labels: a part of it, at least 60 % of each side, stretched to
// the whole again; or mirrored; or with a rectangle, at most half of each side, of another picture in its
// place; or several of these. Pixels are computed when they are asked for: a variant holds no more than its
// pictures. The same arguments choose the same on every machine.
std::vector<Sample> MakeImageVariants(absl::Span<const Sample> samples, int count, uint32_t seed);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_IMAGE_VARIANTS_H_
