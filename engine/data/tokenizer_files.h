// The two forms in which a WordPiece tokenizer is stored. Used by LoadTokenizer.
#ifndef KPRUNE_ENGINE_DATA_TOKENIZER_FILES_H_
#define KPRUNE_ENGINE_DATA_TOKENIZER_FILES_H_

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/data/wordpiece_tokenizer.h"
#include "engine/formats/json_fields.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Ids are below this; no embedding table is larger.
inline constexpr int64_t kMaxTokenId = 16'777'215;

// Reads the contents of tokenizer.json; `what` is its path.
absl::StatusOr<WordPieceParts> ReadTokenizerJson(const nlohmann::json& json, std::string_view what);

// Reads vocab.txt with what tokenizer_config.json (an empty object where there is none),
// special_tokens_map.json and added_tokens.json of the folder say. Of a token that stands in vocab.txt twice,
// the last line counts, as in transformers.
absl::StatusOr<WordPieceParts> ReadVocabTxt(const std::filesystem::path& folder,
                                            const nlohmann::json& config);

// Reads one added token as tokenizer.json and tokenizer_config.json spell it: an object with "content" and
// the optional flags. The caller sets its id.
AddedToken ReadAddedToken(JsonFields& fields, bool default_normalized);

// The tokens of BERT's templates, [CLS] A [SEP] and [CLS] A [SEP] B [SEP], into `parts`.
void SetBertTemplates(int32_t cls_id, int32_t sep_id, WordPieceParts& parts);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_TOKENIZER_FILES_H_
