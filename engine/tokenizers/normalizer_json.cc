#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/tokenizers/bert_normalizer.h"
#include "engine/tokenizers/component_json.h"
#include "engine/tokenizers/precompiled_charsmap.h"

namespace kprune {
namespace {

using Json = nlohmann::json;
using NormalizerResult = absl::StatusOr<std::unique_ptr<Normalizer>>;

constexpr std::array<std::string_view, 14> kNormalizerTypes = {
    "BertNormalizer", "ByteLevel", "Lowercase", "NFC",      "NFD",   "NFKC",        "NFKD", "Nmt",
    "Precompiled",    "Prepend",   "Replace",   "Sequence", "Strip", "StripAccents"};

NormalizerResult ReadBert(JsonFields& fields) {
  BertNormalizerOptions options;
  options.clean_text = fields.Bool("clean_text", true);
  options.handle_chinese_chars = fields.Bool("handle_chinese_chars", true);
  options.lowercase = fields.Bool("lowercase", true);
  options.strip_accents = fields.Bool("strip_accents", options.lowercase);
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<BertNormalizer>(options);
}

NormalizerResult ReadReplace(JsonFields& fields) {
  absl::StatusOr<TextPattern> pattern = ReadPattern(fields, "pattern");
  if (!pattern.ok()) return pattern.status();
  std::string content = fields.String("content", "");
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<ReplaceNormalizer>(*std::move(pattern), std::move(content));
}

NormalizerResult ReadStrip(JsonFields& fields) {
  const bool left = fields.Bool("strip_left", true), right = fields.Bool("strip_right", true);
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<StripNormalizer>(left, right);
}

NormalizerResult ReadPrepend(JsonFields& fields) {
  std::string prefix = fields.String("prepend", "");
  if (!fields.status().ok()) return fields.status();
  return std::make_unique<PrependNormalizer>(std::move(prefix));
}

NormalizerResult ReadPrecompiled(JsonFields& fields) {
  const std::string encoded = fields.String("precompiled_charsmap", "");
  std::string blob;
  if (fields.status().ok() && !absl::Base64Unescape(encoded, &blob))
    fields.Refuse("precompiled_charsmap", "is not Base64");
  if (!fields.status().ok()) return fields.status();
  absl::StatusOr<PrecompiledCharsmap> charsmap =
      PrecompiledCharsmap::Read(blob, fields.Name("precompiled_charsmap"));
  if (!charsmap.ok()) return charsmap.status();
  return std::make_unique<PrecompiledCharsmap>(*std::move(charsmap));
}

NormalizerResult ReadNormalizers(JsonFields& fields) {
  auto steps = ReadSteps<Normalizer>(fields, "normalizers", ReadNormalizer);
  if (!steps.ok()) return steps.status();
  return std::make_unique<NormalizerSequence>(*std::move(steps));
}

}  // namespace

NormalizerResult ReadNormalizer(const Json& json, std::string_view what) {
  JsonFields fields(json, what);
  const std::string type = fields.String("type", "");
  if (!fields.status().ok()) return fields.status();
  if (type == "BertNormalizer") return ReadBert(fields);
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "NFC") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfc);
  if (type == "NFD") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfd);
  if (type == "NFKC") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfkc);
  if (type == "NFKD") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfkd);
  if (type == "Nmt") return std::make_unique<NmtNormalizer>();
  if (type == "Precompiled") return ReadPrecompiled(fields);
  if (type == "Prepend") return ReadPrepend(fields);
  if (type == "Replace") return ReadReplace(fields);
  if (type == "Sequence") return ReadNormalizers(fields);
  if (type == "Strip") return ReadStrip(fields);
  if (type == "StripAccents") return std::make_unique<StripAccentsNormalizer>();
  return RefuseChoice(fields.Name("type"), type, kNormalizerTypes);
}

}  // namespace kprune
