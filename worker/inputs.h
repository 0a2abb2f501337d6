// A job's model and samples, opened and checked.
#ifndef KPRUNE_WORKER_INPUTS_H_
#define KPRUNE_WORKER_INPUTS_H_

#include <filesystem>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "engine/tokenizers/tokenizer.h"
#include "engine/model/model_folder.h"

namespace kprune {

struct ModelInputs {
  ModelFolder folder;
  std::unique_ptr<Tokenizer> tokenizer;  // null where the folder has none: samples must be token ids then
  absl::Status unknown_tokenizer;        // why it is not read, where the folder has one of another kind
};

// Errors name the file, field or tensor.
absl::StatusOr<ModelInputs> OpenModel(const std::filesystem::path& path, const Options& options);

// The model itself, where nothing else of its folder is wanted. Errors are those of OpenModel and
// LoadEncoder.
absl::StatusOr<Encoder> OpenEncoder(const std::filesystem::path& path, const Options& options,
                                    at::Device device);

// Reads samples as this model takes them. Errors name the file and the line.
absl::StatusOr<SampleSet> ReadModelSamples(const ModelInputs& model,
                                           const std::vector<std::filesystem::path>& paths,
                                           const Options& options);

// The same for `eval` files, which a classifier needs labelled: InvalidArgument where they are not.
absl::StatusOr<SampleSet> ReadEvalSamples(const ModelInputs& model,
                                          const std::vector<std::filesystem::path>& paths,
                                          const Options& options);

// Tokens a sequence at which FLOPs are counted: options.sequence_length where it is given, else the mean over
// `samples`; 0 where there are none.
double SequenceLength(const Options& options, absl::Span<const Sample> samples);

// The samples at `indices`, moved out of `set`.
std::vector<Sample> Take(SampleSet& set, absl::Span<const int64_t> indices);

}  // namespace kprune

#endif  // KPRUNE_WORKER_INPUTS_H_
