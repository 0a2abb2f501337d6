// Sentencepiece's model files: a protobuf message (sentencepiece_model.proto), of which the fields that a
// tokenizer needs are read, within the bounds of the bytes that are there.
#ifndef KPRUNE_ENGINE_TOKENIZERS_SENTENCEPIECE_MODEL_H_
#define KPRUNE_ENGINE_TOKENIZERS_SENTENCEPIECE_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace kprune {

struct SentencepieceModel {
  enum class Type { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };
  struct Piece {
    enum class Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };

  std::vector<Piece> pieces;  // by id
  Type type = Type::kUnigram;
  int32_t unk_id = 0;
  std::string unk_piece = "<unk>";
  std::string precompiled_charsmap;
};

// INVALID_ARGUMENT, beginning with `what`, where the bytes are no such message, or its texts no UTF-8.
// Thread-safe: pure.
absl::StatusOr<SentencepieceModel> ParseSentencepieceModel(std::string_view bytes, std::string_view what);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_SENTENCEPIECE_MODEL_H_
