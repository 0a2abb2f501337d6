// What config.json says of the attention of families that have a form of their own.
#ifndef KPRUNE_ENGINE_MODEL_ATTENTION_CONFIG_H_
#define KPRUNE_ENGINE_MODEL_ATTENTION_CONFIG_H_

#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/family.h"
#include "nlohmann/json.hpp"

namespace kprune {

struct AttentionConfig {
  // Rotary positions: the base of the angles, 0: none. Of layers that see all tokens, and of local ones.
  double rotary_theta = 0, local_rotary_theta = 0;
  int window = 0;           // tokens that a token sees on either side in a local layer
  std::vector<bool> local;  // of every layer

  // Relative positions: distances fall into buckets, exact ones first, then logarithmic ones up to
  // max_distance; 0 buckets: every distance is its own.
  int buckets = 0, max_distance = 0;

  // DeBERTa. Rows of its table are twice `span`.
  int span = 0;
  bool as_keys = false, as_queries = false;  // "c2p" and "p2c" of pos_att_type
  bool shared_projections = false;           // "share_att_key"
  bool normalized = false;                   // "norm_rel_ebd" has layer_norm
};

// For a model of `layers` layers and sequences of up to `max_positions` tokens. InvalidArgument names the
// field.
absl::StatusOr<AttentionConfig> ReadAttentionConfig(const nlohmann::json& config, const Family& family,
                                                    int layers, int max_positions);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_ATTENTION_CONFIG_H_
