#include "engine/tokenizers/tokenizer_json.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/tokenizers/added_token_files.h"
#include "engine/tokenizers/component_json.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// The settings of tokenizer_config.json that transformers lets override a component; the tokenizers library
// does not look at them: where they disagree, no answer is right.
absl::Status CheckNormalizer(const Json& normalizer, const TokenizerConfig& config) {
  if (normalizer.value("type", "") != "BertNormalizer") return absl::OkStatus();
  JsonFields fields = config.fields(), component(normalizer, "normalizer");
  const bool lowercase = component.Bool("lowercase", true);
  const std::pair<const char*, bool> settings[] = {
      {"do_lower_case", lowercase},
      {"tokenize_chinese_chars", component.Bool("handle_chinese_chars", true)},
      {"strip_accents", component.Bool("strip_accents", lowercase)}};
  for (const auto& [key, value] : settings) {
    if (fields.OptionalBool(key).value_or(value) != value) {
      fields.Refuse(
          key, absl::StrCat("is ", value ? "false" : "true",
                            ", but the normalizer of tokenizer.json says the opposite: make them agree"));
    }
  }
  return fields.status();
}

// The same of the blank before a text, which transformers leaves out where tokenizer_config.json does not
// say.
absl::Status CheckPreTokenizer(const Json& pre_tokenizer, const TokenizerConfig& config) {
  if (!config.exists || pre_tokenizer.value("type", "") != "ByteLevel") return absl::OkStatus();
  JsonFields fields = config.fields(), component(pre_tokenizer, "pre_tokenizer");
  const bool value = component.Bool("add_prefix_space", true);
  if (fields.Bool("add_prefix_space", false) != value) {
    fields.Refuse(
        "add_prefix_space",
        absl::StrCat("is ", value ? "not true" : "true",
                     ", but the pre_tokenizer of tokenizer.json says the opposite: make them agree"));
  }
  return fields.status();
}

// What RobertaTokenizerFast asserts of words that were split before.
bool EncodesWords(const Json* pre_tokenizer, const TokenizerConfig& config) {
  if (config.tokenizer_class == nullptr || config.tokenizer_class->name != "Roberta") return true;
  return pre_tokenizer == nullptr || pre_tokenizer->value("type", "") != "ByteLevel" ||
         pre_tokenizer->value("add_prefix_space", true);
}

absl::Status ReadComponents(const JsonFields& root, const TokenizerConfig& config, TokenizerParts& parts) {
  if (const Json* json = root.Find("normalizer")) {
    auto normalizer = ReadNormalizer(*json, root.Name("normalizer"));
    if (!normalizer.ok()) return normalizer.status();
    parts.normalizer = *std::move(normalizer);
    if (absl::Status status = CheckNormalizer(*json, config); !status.ok()) return status;
  }
  if (const Json* json = root.Find("pre_tokenizer")) {
    auto pre_tokenizer = ReadPreTokenizer(*json, root.Name("pre_tokenizer"));
    if (!pre_tokenizer.ok()) return pre_tokenizer.status();
    parts.pre_tokenizer = *std::move(pre_tokenizer);
    if (absl::Status status = CheckPreTokenizer(*json, config); !status.ok()) return status;
  }
  if (const Json* json = root.Find("post_processor")) {
    auto processor = ReadPostProcessor(*json, root.Name("post_processor"));
    if (!processor.ok()) return processor.status();
    parts.post_processor = *std::move(processor);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenizerParts> ReadTokenizerJson(const Json& json, const TokenizerConfig& config, bool native,
                                                 std::string_view what) {
  JsonFields root(json, what);
  const Json* model_json = root.Require("model");
  if (!root.status().ok()) return root.status();
  TokenizerParts parts;
  absl::StatusOr<std::unique_ptr<Model>> model = ReadModel(*model_json, root.Name("model"));
  if (!model.ok()) return model.status();
  parts.model = *std::move(model);

  AddedTokenCollector collector(parts.model->vocabulary());
  if (absl::Status status = collector.AddList(root); !status.ok()) return status;
  if (absl::Status status = collector.AddConfig(config, native); !status.ok()) return status;
  parts.added_tokens = collector.Take();

  if (absl::Status status = ReadComponents(root, config, parts); !status.ok()) return status;
  const std::string mask = config.SpecialToken("mask_token");
  parts.mask_token = mask.empty() && config.tokenizer_class == nullptr ? "[MASK]" : mask;
  parts.truncates_left = config.truncates_left;
  parts.encodes_words = EncodesWords(root.Find("pre_tokenizer"), config);
  return parts;
}

}  // namespace kprune
