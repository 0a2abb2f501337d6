// Sample sets: the texts (or token ids) that a job prunes with and is judged by.
//
// Records (records.h): JSON lines, tables, plain text. What a field is, its name says (columns.h); other
// fields are ignored. By LabelKind a record has
//   kAny, kClass, kMultiLabel, kRegression   "text", optionally "text_pair" and "label" (integer, number,
//                  class name, or several: an array of 0 and 1, of classes, or names with commas between)
//   kTokenClass    "tokens", a list of words (or a string of them), and optionally as many "tags" (class
//                  names or numbers, -100 for none); or "text" without labels. The first piece of a word has
//                  its label and is what counts; of a text, every token.
//   kSpan          "question" and "context", optionally "answers": {"text": [...]} (as SQuAD has them), a
//                  string or several. A context that is too long becomes several sequences, which overlap.
//   kMaskedToken   "text", optionally "text_pair": 15 % of its tokens are masked, and are the labels
//   kChoice        "text" and "choices", two or more, optionally "label", the number of the right one: as
//                  many sequences as choices
//
// safetensors: "input_ids" [N, S] (I32 or I64), optional "attention_mask" and "token_type_ids" [N, S] (I32,
// I64, U8 or BOOL) and optional "labels" ([N], or [N, C] for several labels; I32, I64, F32 or F64). Padding
// is on the right: where attention_mask is 0 or, without a mask, the trailing `pad_token_id`s. kTokenClass,
// kMaskedToken: "labels" are [N, S], -100 for none (kMaskedToken without them masks tokens itself). kSpan:
// "start_positions" and "end_positions" [N] in place of labels. kChoice: input_ids are [N, choices, S].
//
// Models of images take JSONL with "image", the base64 of a JPEG or PNG file (also as "data:image/png;base64,
// ..."), which preprocessor_config.json says what to make of, and optional "label"; or safetensors with
// "pixel_values" [N, channels, height, width] of the size that the model looks at: F32, F16 or BF16 as it
// takes them, or U8, which preprocessor_config.json's scale and normalisation make these of; and optional
// "labels" as above.
#ifndef KPRUNE_ENGINE_DATA_SAMPLES_H_
#define KPRUNE_ENGINE_DATA_SAMPLES_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/image.h"
#include "engine/data/question.h"
#include "engine/tokenizers/tokenizer.h"

namespace kprune {

// A record may have this many bytes, and all that are drawn together this many samples: more is refused,
// never cut. A million samples of 128 tokens take about 1.1 GB.
inline constexpr int64_t kMaxLineBytes = int64_t{1} << 20;
inline constexpr int64_t kMaxSamples = 1'000'000;

// What a label must look like.
enum class LabelKind {
  kAny,          // any number or array of numbers, the same shape in all lines (feature extraction)
  kClass,        // one integer in [0, num_labels), or a class name of label2id
  kMultiLabel,   // an array of num_labels zeros and ones
  kRegression,   // one finite number
  kTokenClass,   // a class as kClass, or none, for every word
  kSpan,         // where an answer stands, or what it is
  kMaskedToken,  // the tokens that are masked
  kChoice,       // the number of the right choice
};

// The label of a token that has none.
inline constexpr int32_t kNoLabel = -100;

struct ImageProcessor;

// What a model of images can take.
struct ImageLimits {
  ImageShape shape;
  int32_t tokens = 0;  // that it makes of a picture
  // Or why there is none: then pictures must be pixel values.
  absl::StatusOr<std::shared_ptr<const ImageProcessor>> processor;
};

// What the model can take. Fill it from config.json and the job's options.
struct SampleLimits {
  // Longest sequence, special tokens included; 0 means max_positions. Texts are truncated to it; rows of
  // token ids that are longer are refused.
  int32_t max_length = 0;
  Truncation truncation = Truncation::kLongestFirst;
  // Rows of the position table, of the word embeddings and of the token type embeddings (0: the model has
  // none; type ids are dropped to 0 then).
  int32_t max_positions = 512;
  int32_t vocab_size = 0;
  int32_t type_vocab_size = 2;
  // Padding in rows of token ids without an attention_mask.
  std::optional<int32_t> pad_token_id;
  LabelKind label_kind = LabelKind::kAny;
  // For kClass, kMultiLabel and kTokenClass.
  int32_t num_labels = 0;
  // Class names of config.json; empty: labels must be numbers.
  std::map<std::string, int32_t> label2id;
  // By role ("text", "label", ...) the field that has it, "" for none; other roles are found by name.
  std::map<std::string, std::string, std::less<>> columns;
  // For kMaskedToken: what masked tokens become (none: they cannot be masked), and what they are drawn by.
  std::optional<int32_t> mask_token_id;
  uint32_t seed = 0;
  std::optional<ImageLimits> images;  // nothing: the model reads text
  // Threads that tokenise; 0 means the number of processors.
  int32_t threads = 0;
};

// One sequence; of a line of kSpan and kChoice there may be several, one after the other.
struct Sample {
  // At least one; no padding. None of a picture.
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  // kTokenClass, kMaskedToken: the tokens whose outputs count, rising; empty: all of them.
  std::vector<int32_t> positions;
  // One number, several for kMultiLabel, one for each of `positions`, first and last token of an answer
  // (safetensors of kSpan); none where the set is not labelled.
  std::vector<double> labels;
  // kChoice: which choice of its line it is. Those of a line stay together.
  int32_t choice = 0;
  // Models of images: the picture, and how many tokens the model makes of it.
  std::shared_ptr<const Image> image;
  int32_t image_tokens = 0;
  // kSpan: what its tokens are in the text; null for token ids.
  std::shared_ptr<const QuestionWindow> window;
  // Index into the `paths` given, and line, row or item, from 1 as error messages count them.
  int32_t file = 0;
  int64_t line = 0;

  // Length of the sequence.
  int64_t tokens() const { return image != nullptr ? image_tokens : static_cast<int64_t>(input_ids.size()); }
};

struct SampleSet {
  std::vector<Sample> samples;
  bool labelled = false;
  // Of every line in `samples`, which one it is of all lines of the files, from 0, rising; and how many those
  // are (that were passed).
  std::vector<int64_t> lines;
  int64_t available = 0;
  // Lines that were drawn and are left out, since nothing can be learned of them: questions without an
  // answer.
  int64_t left_out = 0;
};

// Which lines are read: `samples` of them, drawn by `seed` (0: all), and beside them those that only judge
// (draw.h).
struct LineChoice {
  int64_t samples = 0;
  double holdout = 0;
  uint32_t seed = 0;
  // Reading ends after so many lines of all files, drawn or not; 0: at the end.
  int64_t most_lines = 0;
};

// The first sequence of every line, and the number of sequences: [lines + 1]. Sequences that come from no
// line are lines of their own.
std::vector<int64_t> LineOffsets(absl::Span<const Sample> samples);
int64_t NumLines(absl::Span<const Sample> samples);

// Reads all files in the order given; the result does not depend on the number of threads. Files stream by:
// lines that are not drawn are neither parsed nor kept, and nothing is said of them. `tokenizer` may be null
// when every file is safetensors. INVALID_ARGUMENT lists the first ten bad lines (error_list.h): broken
// records, missing, ambiguous or wrong fields, text that is empty or has no token, all-padding rows, token or
// type ids outside the tables, sequences over max_positions, labels on some lines only or outside the
// classes, lines over the cap above; or says what is wrong with a file: format, no column names, damage, more
// samples than the cap, no sample at all; also max_length over max_positions, and columns that the kind does
// not have.
absl::StatusOr<SampleSet> ReadSamples(absl::Span<const std::filesystem::path> paths,
                                      const Tokenizer* tokenizer, const SampleLimits& limits,
                                      const LineChoice& choice = {});

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_SAMPLES_H_
