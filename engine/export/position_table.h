// What exported models add to the embeddings of words.
#ifndef KPRUNE_ENGINE_EXPORT_POSITION_TABLE_H_
#define KPRUNE_ENGINE_EXPORT_POSITION_TABLE_H_

#include <ATen/ATen.h>

#include "engine/model/encoder.h"

namespace kprune {

// The position embeddings, with the token type in them where there is one alone: [positions, embedding size].
inline at::Tensor PositionTable(const Encoder& encoder) {
  if (!encoder.token_type_embeddings.defined() || encoder.takes_token_types())
    return encoder.position_embeddings;
  return encoder.position_embeddings + encoder.token_type_embeddings;
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_POSITION_TABLE_H_
