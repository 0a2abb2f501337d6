// How a sentence-transformers folder turns token states into one vector: modules.json and
// N_Pooling/config.json.
#ifndef KPRUNE_ENGINE_MODEL_POOLING_CONFIG_H_
#define KPRUNE_ENGINE_MODEL_POOLING_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/model/model_config.h"

namespace kprune {

struct ModulesConfig {
  bool present = false;  // the folder has a modules.json
  Pooling pooling = Pooling::kMean;
  bool normalize = false;
  int max_sequence = 0;  // sentence_bert_config.json's "max_seq_length"; 0: not given
};

// Errors: InvalidArgument naming the file and the field, for modules or pooling modes that the engine does
// not run.
absl::StatusOr<ModulesConfig> ReadModules(const std::string& folder);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_POOLING_CONFIG_H_
