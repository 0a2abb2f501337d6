// A pruned model in the shapes of the model that it was pruned from, for tools that know nothing else:
// nothing is smaller or faster there.
#ifndef KPRUNE_ENGINE_MODEL_DENSE_FOLDER_H_
#define KPRUNE_ENGINE_MODEL_DENSE_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "engine/model/encoder.h"
#include "engine/model/model_folder.h"

namespace kprune {

// The same function with all units of the very original: those that `pruned` lost have zeros in their rows of
// the input projections, with their biases, and in their columns of the output projection. A head of zeros
// gives a context of zeros, a neuron of zeros is activated to 0, and neither is read.
Encoder Dense(const Encoder& pruned);

// FAILED_PRECONDITION for families whose stock classes cannot hold what pruning makes.
absl::Status CheckDense(const ModelConfig& config);

// Writes it as a folder for the stock classes of transformers: config.json without "kprune" and "auto_map",
// and else as WriteModelFolder does. `destination` must exist and be empty.
absl::Status WriteDenseFolder(const ModelFolder& original, const Encoder& pruned,
                              const std::string& destination);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_DENSE_FOLDER_H_
