// Sample sets: the texts (or token ids) that a job prunes with and is judged by.
//
// JSONL: one object a line with "text", optionally "text_pair" and "label" (integer, number, class name, or
// an array of 0 and 1 for several labels); other keys are ignored; empty lines are skipped. UTF-8 that is
// broken is refused (the line is not JSON).
//
// safetensors: "input_ids" [N, S] (I32 or I64), optional "attention_mask" and "token_type_ids" [N, S] (I32,
// I64, U8 or BOOL) and optional "labels" ([N], or [N, C] for several labels; I32, I64, F32 or F64). Padding
// is on the right: where attention_mask is 0 or, without a mask, the trailing `pad_token_id`s.
#ifndef KPRUNE_ENGINE_DATA_SAMPLES_H_
#define KPRUNE_ENGINE_DATA_SAMPLES_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/tokenizer.h"

namespace kprune {

// A line may have this many bytes, and all files together this many samples: more is refused, never cut. A
// million samples of 128 tokens take about 1.1 GB.
inline constexpr int64_t kMaxLineBytes = int64_t{1} << 20;
inline constexpr int64_t kMaxSamples = 1'000'000;

// What a label must look like.
enum class LabelKind {
  kAny,         // any number or array of numbers, the same shape in all lines (feature extraction)
  kClass,       // one integer in [0, num_labels), or a class name of label2id
  kMultiLabel,  // an array of num_labels zeros and ones
  kRegression,  // one finite number
};

// What the model can take. Fill it from config.json and the job's options.
struct SampleLimits {
  // Longest sequence, special tokens included; 0 means max_positions. Texts are truncated to it; rows of
  // token ids that are longer are refused.
  int32_t max_length = 0;
  // Rows of the position table, of the word embeddings and of the token type embeddings (0: the model has
  // none; type ids are dropped to 0 then).
  int32_t max_positions = 512;
  int32_t vocab_size = 0;
  int32_t type_vocab_size = 2;
  // Padding in rows of token ids without an attention_mask.
  std::optional<int32_t> pad_token_id;
  LabelKind label_kind = LabelKind::kAny;
  // For kClass and kMultiLabel.
  int32_t num_labels = 0;
  // Class names of config.json; empty: labels must be numbers.
  std::map<std::string, int32_t> label2id;
  // Threads that tokenise; 0 means the number of processors.
  int32_t threads = 0;
};

struct Sample {
  // At least one; no padding.
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  // One number, several for kMultiLabel, none where the set is not labelled.
  std::vector<double> labels;
  // Index into the `paths` given, and line (JSONL) or row (safetensors), both from 1 as error messages count
  // them.
  int32_t file = 0;
  int64_t line = 0;
};

struct SampleSet {
  std::vector<Sample> samples;
  bool labelled = false;
};

// Reads all files in the order given; the result does not depend on the number of threads. `tokenizer` may be
// null when every file is safetensors. INVALID_ARGUMENT names the file and the first bad line: not JSON,
// missing or wrong fields, text that is empty or has no token, all-padding rows, token or type ids outside
// the tables, sequences over max_positions, labels on some lines only or outside the classes, lines and sets
// over the caps above, no sample at all; also max_length over max_positions.
absl::StatusOr<SampleSet> ReadSamples(absl::Span<const std::filesystem::path> paths,
                                      const Tokenizer* tokenizer, const SampleLimits& limits);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_SAMPLES_H_
