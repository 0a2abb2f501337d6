#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/tokenizer_files.h"
#include "engine/data/unicode.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Reads the parts of one tokenizer.json; every method refuses what it does not know by name.
class TokenizerJsonReader {
 public:
  TokenizerJsonReader(const Json& json, std::string_view what) : what_(what), root_(json, what_) {}

  absl::StatusOr<WordPieceParts> Read() {
    if (!root_.status().ok()) return root_.status();
    if (absl::Status status = ReadModel(); !status.ok()) return status;
    if (absl::Status status = ReadAddedTokens(); !status.ok()) return status;
    if (absl::Status status = ReadNormalizer(); !status.ok()) return status;
    if (absl::Status status = ReadPreTokenizer(); !status.ok()) return status;
    if (absl::Status status = ReadPostProcessor(); !status.ok()) return status;
    return std::move(parts_);
  }

 private:
  std::string Name(std::string_view key) const { return root_.Name(key); }

  absl::Status RefuseType(std::string_view key, std::string_view type, std::string_view accepted) const {
    return absl::UnimplementedError(
        absl::StrCat(Name(key), " is ", Quoted(type), ", accepted is ", std::string(accepted)));
  }

  absl::Status ReadModel() {
    const Json* model = root_.Require("model");
    if (model == nullptr) return root_.status();
    JsonFields fields(*model, Name("model"));
    // Files of old versions name no type; only WordPiece has this field.
    const bool untyped = fields.Find("max_input_chars_per_word") != nullptr;
    const std::string type = fields.String("type", untyped ? "WordPiece" : "");
    if (!fields.status().ok()) return fields.status();
    if (type != "WordPiece") return RefuseType("model.type", type, "\"WordPiece\"");
    parts_.model.unk_token = fields.String("unk_token", "[UNK]");
    parts_.model.continuing_subword_prefix = fields.String("continuing_subword_prefix", "##");
    parts_.model.max_input_chars_per_word =
        static_cast<int>(fields.Int("max_input_chars_per_word", 100, 1, 1'000'000));
    const Json* vocabulary = fields.Require("vocab");
    if (!fields.status().ok()) return fields.status();
    return ReadVocabulary(*vocabulary);
  }

  absl::Status ReadVocabulary(const Json& vocabulary) {
    JsonFields fields(vocabulary, Name("model.vocab"));
    if (!fields.status().ok()) return fields.status();
    for (const auto& [token, id] : vocabulary.items()) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() > kMaxTokenId) {
        return absl::InvalidArgumentError(
            absl::StrCat(Name("model.vocab"), " gives ", Quoted(token), " the id ", Described(id),
                         ", accepted is a whole number from 0 to ", kMaxTokenId));
      }
      parts_.vocabulary.emplace(token, id.get<int32_t>());
    }
    if (!parts_.vocabulary.contains(parts_.model.unk_token)) {
      return absl::InvalidArgumentError(
          absl::StrCat(Name("model.vocab"), " lacks the unk_token ", Quoted(parts_.model.unk_token)));
    }
    return absl::OkStatus();
  }

  absl::Status ReadAddedTokens() {
    const Json* tokens = root_.Find("added_tokens");
    if (tokens == nullptr) return absl::OkStatus();
    if (!tokens->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(Name("added_tokens"), " is not an array"));
    }
    for (const Json& entry : *tokens) {
      JsonFields fields(entry, absl::StrCat(Name("added_tokens"), "[", parts_.added_tokens.size(), "]"));
      AddedToken token = ReadAddedToken(fields, false);
      token.id = static_cast<int32_t>(fields.Int("id", -1, 0, kMaxTokenId));
      fields.Require("id");
      const auto known = parts_.vocabulary.find(EncodeUtf8(token.content));
      if (known != parts_.vocabulary.end() && known->second != token.id) {
        fields.Refuse("id",
                      absl::StrCat("is ", token.id, ", but model.vocab gives that token ", known->second));
      }
      if (!fields.status().ok()) return fields.status();
      parts_.added_tokens.push_back(std::move(token));
    }
    return absl::OkStatus();
  }

  absl::Status ReadNormalizer() {
    const Json* normalizer = root_.Find("normalizer");
    if (normalizer == nullptr) return absl::OkStatus();
    JsonFields fields(*normalizer, Name("normalizer"));
    const std::string type = fields.String("type", "");
    if (!fields.status().ok()) return fields.status();
    if (type != "BertNormalizer") return RefuseType("normalizer.type", type, "\"BertNormalizer\"");
    BertNormalizerOptions options;
    options.clean_text = fields.Bool("clean_text", true);
    options.handle_chinese_chars = fields.Bool("handle_chinese_chars", true);
    options.lowercase = fields.Bool("lowercase", true);
    options.strip_accents = fields.Bool("strip_accents", options.lowercase);
    parts_.normalizer = options;
    return fields.status();
  }

  absl::Status ReadPreTokenizer() {
    const Json* pre_tokenizer = root_.Require("pre_tokenizer");
    if (pre_tokenizer == nullptr) return root_.status();
    JsonFields fields(*pre_tokenizer, Name("pre_tokenizer"));
    const std::string type = fields.String("type", "");
    if (!fields.status().ok()) return fields.status();
    if (type != "BertPreTokenizer") return RefuseType("pre_tokenizer.type", type, "\"BertPreTokenizer\"");
    return absl::OkStatus();
  }

  absl::Status ReadPostProcessor() {
    const Json* processor = root_.Require("post_processor");
    if (processor == nullptr) return root_.status();
    JsonFields fields(*processor, Name("post_processor"));
    const std::string type = fields.String("type", "");
    if (!fields.status().ok()) return fields.status();
    if (type == "TemplateProcessing") return ReadTemplates(fields);
    if (type == "BertProcessing") return ReadBertProcessing(fields);
    return RefuseType("post_processor.type", type, "\"TemplateProcessing\" or \"BertProcessing\"");
  }

  // {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}
  absl::Status ReadBertProcessing(JsonFields& fields) {
    int32_t ids[2] = {};
    for (int i = 0; i < 2; ++i) {
      const char* key = i == 0 ? "cls" : "sep";
      const Json* token = fields.Require(key);
      if (token == nullptr) return fields.status();
      if (!token->is_array() || token->size() != 2 || !IsTokenId((*token)[1])) {
        fields.Refuse(key, "is not an array of a token and its id");
        return fields.status();
      }
      ids[i] = (*token)[1].get<int32_t>();
    }
    SetBertTemplates(ids[0], ids[1], parts_);
    return absl::OkStatus();
  }

  absl::Status ReadTemplates(JsonFields& fields) {
    const Json* specials = fields.Require("special_tokens");
    const Json* single = fields.Require("single");
    const Json* pair = fields.Require("pair");
    if (!fields.status().ok()) return fields.status();
    if (absl::Status status = ReadTemplate(*single, fields.Name("single"), *specials, 1, parts_.single);
        !status.ok()) {
      return status;
    }
    return ReadTemplate(*pair, fields.Name("pair"), *specials, 2, parts_.pair);
  }

  // `texts`: 1 means that A must stand in it once, 2 that A and B must.
  absl::Status ReadTemplate(const Json& pieces, const std::string& name, const Json& specials, int texts,
                            Template& result) {
    if (!pieces.is_array()) return absl::InvalidArgumentError(absl::StrCat(name, " is not an array"));
    for (const Json& piece : pieces) {
      const bool special = piece.is_object() && piece.contains("SpecialToken");
      const bool sequence = piece.is_object() && piece.contains("Sequence");
      if (special == sequence) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " has an entry that is neither Sequence nor SpecialToken"));
      }
      JsonFields fields(piece[special ? "SpecialToken" : "Sequence"], name);
      TemplatePiece read;
      read.type_id = static_cast<int32_t>(fields.Int("type_id", 0, 0, kMaxTokenId));
      const std::string id = fields.String("id", "");
      if (!fields.status().ok()) return fields.status();
      if (special) {
        if (absl::Status status = ReadSpecialIds(specials, id, name, read.ids); !status.ok()) return status;
      } else if (id == "A" || id == "B") {
        read.source = id == "A" ? TemplatePiece::Source::kFirst : TemplatePiece::Source::kSecond;
      } else {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " has the sequence ", Quoted(id), ", accepted are A and B"));
      }
      result.push_back(std::move(read));
    }
    const auto count = [&](TemplatePiece::Source source) {
      return std::count_if(result.begin(), result.end(),
                           [source](const TemplatePiece& piece) { return piece.source == source; });
    };
    if (count(TemplatePiece::Source::kFirst) != 1 || count(TemplatePiece::Source::kSecond) != texts - 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " does not have sequence A ", texts == 1 ? "alone, once" : "and sequence B once each"));
    }
    return absl::OkStatus();
  }

  absl::Status ReadSpecialIds(const Json& specials, const std::string& token, const std::string& name,
                              std::vector<int32_t>& ids) const {
    const bool known = specials.is_object() && specials.contains(token) && specials[token].is_object() &&
                       specials[token].contains("ids") && specials[token]["ids"].is_array();
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, " uses ", Quoted(token), ", whose ids special_tokens does not give"));
    }
    for (const Json& id : specials[token]["ids"]) {
      if (!IsTokenId(id)) {
        return absl::InvalidArgumentError(
            absl::StrCat(name, " uses ", Quoted(token), " with the id ", Described(id),
                         ", accepted is a whole number from 0 to ", kMaxTokenId));
      }
      ids.push_back(id.get<int32_t>());
    }
    return absl::OkStatus();
  }

  static bool IsTokenId(const Json& id) {
    return id.is_number_unsigned() && id.get<uint64_t>() <= kMaxTokenId;
  }

  const std::string what_;
  JsonFields root_;
  WordPieceParts parts_;
};

}  // namespace

AddedToken ReadAddedToken(JsonFields& fields, bool default_normalized) {
  AddedToken token;
  token.content = DecodeUtf8(fields.String("content", ""));
  token.single_word = fields.Bool("single_word", false);
  token.lstrip = fields.Bool("lstrip", false);
  token.rstrip = fields.Bool("rstrip", false);
  token.normalized = fields.Bool("normalized", default_normalized);
  return token;
}

void SetBertTemplates(int32_t cls_id, int32_t sep_id, WordPieceParts& parts) {
  using Source = TemplatePiece::Source;
  parts.single = {{Source::kSpecial, {cls_id}, 0}, {Source::kFirst, {}, 0}, {Source::kSpecial, {sep_id}, 0}};
  parts.pair = parts.single;
  parts.pair.push_back({Source::kSecond, {}, 1});
  parts.pair.push_back({Source::kSpecial, {sep_id}, 1});
}

absl::StatusOr<WordPieceParts> ReadTokenizerJson(const Json& json, std::string_view what) {
  return TokenizerJsonReader(json, what).Read();
}

}  // namespace kprune
