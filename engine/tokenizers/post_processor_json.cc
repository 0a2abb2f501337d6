#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/component_json.h"

namespace kprune {
namespace {

using Json = nlohmann::json;
using Source = TemplatePiece::Source;

constexpr std::array<std::string_view, 5> kPostProcessorTypes = {
    "BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"};

// ["[SEP]", 102]
int32_t ReadTokenPair(JsonFields& fields, std::string_view key) {
  const Json* token = fields.Require(key);
  if (token == nullptr) return 0;
  if (token->is_array() && token->size() == 2 && IsTokenId((*token)[1])) return (*token)[1].get<int32_t>();
  fields.Refuse(key, "is not an array of a token and its id");
  return 0;
}

std::optional<OffsetTrimming> ReadTrimming(JsonFields& fields) {
  const bool add_prefix_space = fields.Bool("add_prefix_space", true);
  if (!fields.Bool("trim_offsets", true)) return std::nullopt;
  return OffsetTrimming{add_prefix_space};
}

absl::StatusOr<std::vector<int32_t>> ReadSpecialIds(const Json& specials, const std::string& token,
                                                    const std::string& name) {
  const bool known = specials.is_object() && specials.contains(token) && specials[token].is_object() &&
                     specials[token].contains("ids") && specials[token]["ids"].is_array();
  if (!known) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " uses ", Quoted(token), ", whose ids special_tokens does not give"));
  }
  std::vector<int32_t> ids;
  for (const Json& id : specials[token]["ids"]) {
    if (!IsTokenId(id)) {
      return absl::InvalidArgumentError(absl::StrCat(name, " uses ", Quoted(token), " with the id ",
                                                     Described(id), ", accepted is a whole number from 0 to ",
                                                     kMaxTokenId));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

absl::StatusOr<TemplatePiece> ReadPiece(const Json& json, const std::string& name, const Json& specials) {
  const bool special = json.is_object() && json.contains("SpecialToken");
  const bool sequence = json.is_object() && json.contains("Sequence");
  if (special == sequence) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has an entry that is neither Sequence nor SpecialToken"));
  }
  JsonFields fields(json[special ? "SpecialToken" : "Sequence"], name);
  TemplatePiece piece;
  piece.type_id = static_cast<int32_t>(fields.Int("type_id", 0, 0, kMaxTokenId));
  const std::string id = fields.String("id", "");
  if (!fields.status().ok()) return fields.status();
  if (special) {
    absl::StatusOr<std::vector<int32_t>> ids = ReadSpecialIds(specials, id, name);
    if (!ids.ok()) return ids.status();
    piece.ids = *std::move(ids);
  } else if (id == "A" || id == "B") {
    piece.source = id == "A" ? Source::kFirst : Source::kSecond;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has the sequence ", Quoted(id), ", accepted are A and B"));
  }
  return piece;
}

// `texts`: 1 means that A must stand in it once, 2 that A and B must.
absl::StatusOr<Template> ReadTemplate(const Json& pieces, const std::string& name, const Json& specials,
                                      int texts) {
  if (!pieces.is_array()) return absl::InvalidArgumentError(absl::StrCat(name, " is not an array"));
  Template result;
  for (const Json& json : pieces) {
    absl::StatusOr<TemplatePiece> piece = ReadPiece(json, name, specials);
    if (!piece.ok()) return piece.status();
    result.push_back(*std::move(piece));
  }
  const auto count = [&](Source source) {
    return std::count_if(result.begin(), result.end(),
                         [source](const TemplatePiece& piece) { return piece.source == source; });
  };
  if (count(Source::kFirst) == 1 && count(Source::kSecond) == texts - 1) return result;
  return absl::InvalidArgumentError(absl::StrCat(name, " does not have sequence A ",
                                                 texts == 1 ? "alone, once" : "and sequence B once each"));
}

absl::StatusOr<PostProcessor> ReadTemplates(JsonFields& fields) {
  const Json* specials = fields.Require("special_tokens");
  const Json* single = fields.Require("single");
  const Json* pair = fields.Require("pair");
  if (!fields.status().ok()) return fields.status();
  absl::StatusOr<Template> one = ReadTemplate(*single, fields.Name("single"), *specials, 1);
  if (!one.ok()) return one.status();
  absl::StatusOr<Template> two = ReadTemplate(*pair, fields.Name("pair"), *specials, 2);
  if (!two.ok()) return two.status();
  return PostProcessor{*std::move(one), *std::move(two), std::nullopt};
}

// Of ByteLevel, which adds no tokens, and one that does.
absl::StatusOr<PostProcessor> ReadPostProcessors(JsonFields& fields) {
  const Json* steps = fields.Require("processors");
  if (steps != nullptr && !steps->is_array()) fields.Refuse("processors", "is not an array");
  if (!fields.status().ok()) return fields.status();
  PostProcessor all = PlainProcessor();
  bool framed = false, trimmed = false;
  for (const Json& json : *steps) {
    absl::StatusOr<PostProcessor> step = ReadPostProcessor(json, fields.Name("processors"));
    if (!step.ok()) return step.status();
    const bool frames = step->single.size() > 1;
    if ((frames && framed) || (step->trimming && (trimmed || framed))) {
      return absl::UnimplementedError(
          absl::StrCat(fields.Name("processors"),
                       " has an order that is not supported, accepted are \"ByteLevel\" and one "
                       "that adds special tokens, in this order"));
    }
    if (step->trimming) all.trimming = step->trimming;
    if (frames) {
      all.single = std::move(step->single);
      all.pair = std::move(step->pair);
    }
    framed = framed || frames;
    trimmed = trimmed || step->trimming.has_value();
  }
  return all;
}

}  // namespace

absl::StatusOr<PostProcessor> ReadPostProcessor(const Json& json, std::string_view what) {
  JsonFields fields(json, what);
  const std::string type = fields.String("type", "");
  if (!fields.status().ok()) return fields.status();
  PostProcessor processor;
  if (type == "TemplateProcessing") return ReadTemplates(fields);
  if (type == "Sequence") return ReadPostProcessors(fields);
  if (type == "BertProcessing") {
    const int32_t cls = ReadTokenPair(fields, "cls"), sep = ReadTokenPair(fields, "sep");
    processor = BertProcessor(cls, sep);
  } else if (type == "RobertaProcessing") {
    const int32_t cls = ReadTokenPair(fields, "cls"), sep = ReadTokenPair(fields, "sep");
    processor = RobertaProcessor(cls, sep, ReadTrimming(fields));
  } else if (type == "ByteLevel") {
    processor = PlainProcessor();
    processor.trimming = ReadTrimming(fields);
  } else {
    return RefuseChoice(fields.Name("type"), type, kPostProcessorTypes);
  }
  if (!fields.status().ok()) return fields.status();
  return processor;
}

}  // namespace kprune
