// The files that older checkpoints have instead of tokenizer.json. Each is read into the tokenizer.json that
// transformers would make of it; added tokens come from the folder's configuration. `config` is the folder's;
// errors as in component_json.h. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_TOKENIZERS_NATIVE_FILES_H_
#define KPRUNE_ENGINE_TOKENIZERS_NATIVE_FILES_H_

#include <filesystem>

#include "absl/status/statusor.h"
#include "engine/tokenizers/tokenizer_config.h"
#include "nlohmann/json.hpp"

namespace kprune {

// vocab.txt: a token a line, whose number is its id; of a token that stands there twice, the last line
// counts.
absl::StatusOr<nlohmann::json> ConvertVocabTxt(const TokenizerConfig& config);

// vocab.json and merges.txt of byte-level BPE.
absl::StatusOr<nlohmann::json> ConvertMerges(const TokenizerConfig& config);

// A sentencepiece model; `path` is its file.
absl::StatusOr<nlohmann::json> ConvertSentencepiece(const TokenizerConfig& config,
                                                    const std::filesystem::path& path);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_NATIVE_FILES_H_
