#include "engine/tokenizers/added_token_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// An object with "content" and the optional flags.
AddedToken ReadFlags(JsonFields& fields, bool default_normalized) {
  AddedToken token;
  token.content = fields.String("content", "");
  token.single_word = fields.Bool("single_word", false);
  token.lstrip = fields.Bool("lstrip", false);
  token.rstrip = fields.Bool("rstrip", false);
  token.normalized = fields.Bool("normalized", default_normalized);
  token.special = fields.Bool("special", false);
  return token;
}

}  // namespace

absl::Status AddedTokenCollector::AddList(JsonFields& tokenizer) {
  const Json* list = tokenizer.Find("added_tokens");
  if (list == nullptr) return tokenizer.status();
  if (!list->is_array()) {
    tokenizer.Refuse("added_tokens", "is not an array");
    return tokenizer.status();
  }
  for (const Json& entry : *list) {
    JsonFields fields(entry, absl::StrCat(tokenizer.Name("added_tokens"), "[", &entry - &list->front(), "]"));
    AddedToken token = ReadFlags(fields, false);
    fields.Require("id");
    token.id = static_cast<int32_t>(fields.Int("id", -1, 0, kMaxTokenId));
    if (absl::Status status = Add(std::move(token), "id", fields); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AddedTokenCollector::AddConfig(const TokenizerConfig& config, bool native) {
  model_vocab_size_ = config.model_vocab_size;
  if (native) {
    if (absl::Status status = AddIds(config.added, config.added_path()); !status.ok()) return status;
  }
  JsonFields fields = config.fields();
  if (const Json* decoder = fields.Find("added_tokens_decoder")) {
    absl::Status status = AddDecoder(*decoder, fields.Name("added_tokens_decoder"));
    if (!status.ok()) return status;
  }
  return AddSpecials(config);
}

// {"[NEW]": 30522} of added_tokens.json.
absl::Status AddedTokenCollector::AddIds(const Json& ids, const std::string& what) {
  JsonFields fields(ids, what);
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : ids.items()) {
    AddedToken token;
    token.content = content;
    token.normalized = true;
    token.id = static_cast<int32_t>(fields.Int(content, -1, 0, kMaxTokenId));
    tokens.push_back(std::move(token));
  }
  if (!fields.status().ok()) return fields.status();
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (AddedToken& token : tokens) {
    const std::string content = token.content;
    if (absl::Status status = Add(std::move(token), content, fields); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// {"30522": {"content": "[NEW]", ...}} of tokenizer_config.json.
absl::Status AddedTokenCollector::AddDecoder(const Json& decoder, const std::string& what) {
  JsonFields all(decoder, what);
  if (!all.status().ok()) return all.status();
  std::vector<std::pair<int32_t, std::string>> keys;
  for (const auto& [key, entry] : decoder.items()) {
    int32_t id = -1;
    if (!absl::SimpleAtoi(key, &id) || id < 0 || id > kMaxTokenId) {
      all.Refuse(key, "is no token id");
      return all.status();
    }
    keys.emplace_back(id, key);
  }
  std::sort(keys.begin(), keys.end());
  for (const auto& [id, key] : keys) {
    JsonFields fields(decoder[key], all.Name(key));
    AddedToken token = ReadFlags(fields, true);
    token.id = id;
    if (absl::Status status = Add(std::move(token), "content", fields); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AddedTokenCollector::AddSpecials(const TokenizerConfig& config) {
  JsonFields map(config.specials, config.specials_path()), settings = config.fields();
  const auto add_named = [&](std::string_view role, const SpecialTokenDefault* fallback) {
    JsonFields& fields = map.Find(role) != nullptr ? map : settings;
    if (const Json* value = fields.Find(role)) return AddSpecial(*value, fields, role, fallback);
    return fallback == nullptr ? absl::OkStatus()
                               : AddSpecial(Json(std::string(fallback->content)), fields, role, fallback);
  };
  const absl::Span<const SpecialTokenDefault> defaults = config.tokenizer_class == nullptr
                                                             ? absl::Span<const SpecialTokenDefault>()
                                                             : config.tokenizer_class->specials;
  for (std::string_view role :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    const auto fallback =
        std::find_if(defaults.begin(), defaults.end(),
                     [&](const SpecialTokenDefault& special) { return special.role == role; });
    absl::Status status = add_named(role, fallback == defaults.end() ? nullptr : &*fallback);
    if (!status.ok()) return status;
  }
  for (JsonFields* fields : {&map, &settings}) {
    const Json* more = fields->Find(kAdditionalSpecials);
    if (more == nullptr) continue;
    if (!more->is_array()) fields->Refuse(kAdditionalSpecials, "is not an array");
    if (!fields->status().ok()) return fields->status();
    for (const Json& value : *more) {
      absl::Status status = AddSpecial(value, *fields, kAdditionalSpecials, nullptr);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  for (const SpecialTokenDefault& special : defaults) {
    if (special.role != kAdditionalSpecials) continue;
    const Json value = std::string(special.content);
    if (absl::Status status = AddSpecial(value, settings, special.role, &special); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

// A string, or an object with content.
absl::Status AddedTokenCollector::AddSpecial(const Json& value, JsonFields& fields, std::string_view key,
                                             const SpecialTokenDefault* fallback) {
  AddedToken token;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    if (fallback != nullptr) {
      token.lstrip = fallback->lstrip;
      token.normalized = fallback->normalized;
    }
  } else {
    JsonFields entry(value, fields.Name(key));
    token = ReadFlags(entry, false);
    if (!entry.status().ok()) return entry.status();
  }
  token.special = true;
  token.id = FindId(token.content).value_or(next_id_);
  const bool present = places_.contains(token.content);
  const bool in_model = vocabulary_.Find(token.content) || token.id < model_vocab_size_;
  // A class's own way of matching goes before that of the files.
  const bool overrides = value.is_string() && token.lstrip;
  if ((present && !overrides) || !in_model) return fields.status();
  return Add(std::move(token), key, fields);
}

absl::Status AddedTokenCollector::Add(AddedToken token, std::string_view key, JsonFields& fields) {
  if (!fields.status().ok() || token.content.empty()) return fields.status();
  const std::optional<int32_t> known = FindId(token.content);
  if (known.value_or(next_id_) != token.id) {
    fields.Refuse(
        key, known ? absl::StrCat("has the id ", token.id, ", but the vocabulary gives that token ", *known)
                   : absl::StrCat("has the id ", token.id, ", but the next free one is ", next_id_));
    return fields.status();
  }
  const auto [place, fresh] = places_.try_emplace(token.content, tokens_.size());
  if (!fresh) tokens_[std::exchange(place->second, tokens_.size())].content.clear();
  next_id_ = std::max(next_id_, token.id + 1);
  tokens_.push_back(std::move(token));
  return absl::OkStatus();
}

std::vector<AddedToken> AddedTokenCollector::Take() {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  return std::move(tokens_);
}

std::optional<int32_t> AddedTokenCollector::FindId(std::string_view token) const {
  const auto place = places_.find(absl::string_view(token.data(), token.size()));
  return place == places_.end() ? vocabulary_.Find(token) : tokens_[place->second].id;
}

}  // namespace kprune
