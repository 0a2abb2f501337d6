// A job's model and samples, opened and checked.
#ifndef KPRUNE_WORKER_INPUTS_H_
#define KPRUNE_WORKER_INPUTS_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "engine/model/model_folder.h"
#include "engine/tokenizers/tokenizer.h"

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

// Reads samples as this model takes them: all lines, or those of a draw. Errors name the file and the line.
absl::StatusOr<SampleSet> ReadModelSamples(const ModelInputs& model,
                                           const std::vector<std::filesystem::path>& paths,
                                           const Options& options, const LineChoice& choice = {});

// What prunes and what only judges, drawn from the lines of `paths` (the first `most_lines` of them; 0: all)
// by options.samples, holdout and seed.
struct DrawnSamples {
  std::vector<Sample> pruning;
  SampleSet judging;
  int64_t available = 0;  // lines of the files
  int64_t left_out = 0;   // as SampleSet has them
};
absl::StatusOr<DrawnSamples> DrawModelSamples(const ModelInputs& model,
                                              const std::vector<std::filesystem::path>& paths,
                                              const Options& options, int64_t most_lines = 0);

// The same for `eval` files, which a classifier needs labelled: InvalidArgument where they are not.
absl::StatusOr<SampleSet> ReadEvalSamples(const ModelInputs& model,
                                          const std::vector<std::filesystem::path>& paths,
                                          const Options& options);

// What users are to be warned of, a sentence each; none where all went as one would think: lines of `files`
// ("data") that are left out.
std::vector<std::string> LeftOutWarnings(int64_t left_out, std::string_view files);

// The same of all that a job prunes with and is judged by; `eval` is empty where there are no such files.
std::vector<std::string> SampleWarnings(const DrawnSamples& data, const SampleSet& eval,
                                        const Options& options);

// Tokens a sequence at which FLOPs are counted: options.sequence_length where it is given, else the mean over
// `samples`; 0 where there are none.
double SequenceLength(const Options& options, absl::Span<const Sample> samples);

}  // namespace kprune

#endif  // KPRUNE_WORKER_INPUTS_H_
