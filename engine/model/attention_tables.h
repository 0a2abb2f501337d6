// The constant tables of attention forms: angles of places, and buckets of distances.
#ifndef KPRUNE_ENGINE_MODEL_ATTENTION_TABLES_H_
#define KPRUNE_ENGINE_MODEL_ATTENTION_TABLES_H_

#include <ATen/core/Tensor.h>

#include "engine/model/attention_form.h"
#include "engine/model/model_config.h"

namespace kprune {

// The forms of all layers of one model, without what its checkpoint holds (bias_RH); they share their tables.
class AttentionTables {
 public:
  AttentionTables(const ModelConfig& config, at::Device device);

  AttentionForm OfLayer(int layer) const;

 private:
  const AttentionConfig& config_;
  AttentionForm global_, local_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_ATTENTION_TABLES_H_
