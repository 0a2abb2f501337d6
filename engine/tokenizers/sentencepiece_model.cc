#include "engine/tokenizers/sentencepiece_model.h"

#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

// One field of a message: its number, and the value in the form that its kind has.
struct Field {
  uint64_t number = 0;
  uint64_t integer = 0;    // varints, and the bits of fixed-size numbers
  std::string_view bytes;  // strings, bytes and messages
};

// Reads a message field by field. After the last field, or where the bytes end within one, Next is empty.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  std::optional<Field> Next() {
    if (rest_.empty()) return std::nullopt;
    Field field;
    const std::optional<uint64_t> tag = Varint();
    if (!tag || !ReadValue(*tag & 7, field)) {
      broken_ = true;
      return std::nullopt;
    }
    field.number = *tag >> 3;
    return field;
  }
  bool broken() const { return broken_; }

 private:
  bool ReadValue(uint64_t kind, Field& field) {
    if (kind == 1 || kind == 5) return ReadFixed(kind == 1 ? 8 : 4, field);
    if (kind != 0 && kind != 2) return false;
    const std::optional<uint64_t> value = Varint();
    if (!value) return false;
    field.integer = *value;
    if (kind == 0) return true;
    if (*value > rest_.size()) return false;
    field.bytes = rest_.substr(0, *value);
    rest_.remove_prefix(*value);
    return true;
  }

  bool ReadFixed(size_t size, Field& field) {
    if (rest_.size() < size) return false;
    for (size_t i = size; i-- > 0;) field.integer = field.integer << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(size);
    return true;
  }

  std::optional<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_;
  bool broken_ = false;
};

// Calls visit(field) for every field; false where the bytes are no message.
template <typename Visit>
bool ForEachField(std::string_view bytes, Visit visit) {
  WireReader reader(bytes);
  while (const std::optional<Field> field = reader.Next()) visit(*field);
  return !reader.broken();
}

bool ReadPiece(std::string_view bytes, SentencepieceModel::Piece& piece) {
  return ForEachField(bytes, [&](const Field& field) {
    if (field.number == 1) piece.text = field.bytes;
    if (field.number == 2) {
      const auto bits = static_cast<uint32_t>(field.integer);
      std::memcpy(&piece.score, &bits, sizeof(bits));
    }
    if (field.number == 3) piece.type = static_cast<SentencepieceModel::Piece::Type>(field.integer & 7);
  });
}

// Fields of trainer_spec and of normalizer_spec.
bool ReadTrainer(std::string_view bytes, SentencepieceModel& model) {
  return ForEachField(bytes, [&](const Field& field) {
    if (field.number == 3) model.type = static_cast<SentencepieceModel::Type>(field.integer & 7);
    if (field.number == 40) model.unk_id = static_cast<int32_t>(field.integer);
    if (field.number == 45) model.unk_piece = field.bytes;
  });
}

bool ReadNormalizer(std::string_view bytes, SentencepieceModel& model) {
  return ForEachField(bytes, [&](const Field& field) {
    if (field.number == 2) model.precompiled_charsmap = field.bytes;
  });
}

}  // namespace

absl::StatusOr<SentencepieceModel> ParseSentencepieceModel(std::string_view bytes, std::string_view what) {
  SentencepieceModel model;
  bool fine = true;
  fine = ForEachField(bytes,
                      [&](const Field& field) {
                        if (field.number == 1)
                          fine = ReadPiece(field.bytes, model.pieces.emplace_back()) && fine;
                        if (field.number == 2) fine = ReadTrainer(field.bytes, model) && fine;
                        if (field.number == 3) fine = ReadNormalizer(field.bytes, model) && fine;
                      }) &&
         fine;
  if (!fine || model.pieces.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(what), " is no sentencepiece model: it is cut off, or another kind of file"));
  }
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const std::string& text = model.pieces[id].text;
    if (!(model.pieces[id].score == model.pieces[id].score)) fine = false;
    if (RepairUtf8(text) == text && fine) continue;
    return absl::InvalidArgumentError(absl::StrCat(std::string(what), " has a piece ", id,
                                                   " whose text is not UTF-8 or whose score is no number"));
  }
  return model;
}

}  // namespace kprune
