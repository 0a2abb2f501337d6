#include "tests/fuzz/fuzzed_tokenizers.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string_view>

#include "engine/tokenizers/tokenizer.h"
#include "engine/tokenizers/unicode.h"
#include "tests/fuzz/promises.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

const fs::path kKinds = fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens/kinds";

// Which folder has a file of that name; what it was is replaced.
const std::map<std::string, std::string> kFolders = {{"tokenizer.json", "modernbert"},
                                                     {"tokenizer_config.json", "roberta"},
                                                     {"special_tokens_map.json", "deberta"},
                                                     {"added_tokens.json", "albert"},
                                                     {"vocab.json", "roberta"},
                                                     {"merges.txt", "roberta"},
                                                     {"spiece.model", "albert"},
                                                     {"vocab.txt", "vocab_txt"}};

void RequireInBounds(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  const int32_t end = tokenizer.vocab_size();
  Require(std::all_of(ids.begin(), ids.end(), [end](int32_t id) { return id >= 0 && id < end; }),
          "ids are below vocab_size");
}

void EncodeAll(const Tokenizer& tokenizer, std::string_view text) {
  const auto characters = static_cast<int32_t>(DecodeUtf8(text).size());
  const TextTokens tokens = tokenizer.EncodeText(text);
  Require(tokens.ids.size() == tokens.spans.size(), "every token has a place");
  for (const TextSpan& span : tokens.spans)
    Require(span.begin >= 0 && span.begin <= span.end && span.end <= characters,
            "places are within the text");
  const Encoding whole = tokenizer.Encode(text, std::nullopt, 0);
  RequireInBounds(tokenizer, tokens.ids);
  Require(whole.input_ids == tokenizer.Frame(tokens.ids, std::nullopt).input_ids,
          "Encode is Frame of EncodeText");
  const std::string_view first = text.substr(0, text.size() / 2), pair = text.substr(text.size() / 2);
  const int limit = tokenizer.special_tokens(true) + 5;
  const Encoding both = tokenizer.Encode(first, pair, limit);
  Require(both.input_ids.size() <= static_cast<size_t>(limit), "pairs are truncated");
  Require(both.input_ids.size() == both.token_type_ids.size(), "every token has a type");
  const std::vector<int32_t> uncut = tokenizer.Encode(first, pair, 0).input_ids;
  for (const Truncation truncation : {Truncation::kOnlyFirst, Truncation::kOnlySecond}) {
    const std::vector<int32_t> cut = tokenizer.Encode(first, pair, limit, truncation).input_ids;
    Require(cut.size() <= static_cast<size_t>(limit) || cut == uncut, "what cannot be cut stays whole");
  }
}

void EncodeText(const std::string& kind, std::string_view text) {
  static std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers;
  std::unique_ptr<Tokenizer>& tokenizer = tokenizers[kind];
  if (tokenizer == nullptr) tokenizer = *LoadTokenizer(kKinds / kind);
  EncodeAll(*tokenizer, text);
}

void LoadWith(const std::string& name, std::string_view bytes) {
  static std::map<std::string, std::unique_ptr<TempDirectory>> folders;
  std::unique_ptr<TempDirectory>& folder = folders[name];
  if (folder == nullptr) {
    folder = std::make_unique<TempDirectory>();
    const std::string& kind = kFolders.at(name);
    const fs::path source = kind == "vocab_txt" ? kKinds.parent_path() / kind : kKinds / kind;
    for (const auto& entry : fs::directory_iterator(source))
      fs::copy(entry.path(), folder->path() / entry.path().filename());
  }
  std::ofstream(folder->path() / name, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(folder->path());
  if (!tokenizer.ok()) return RequireRefusal(tokenizer.status());
  for (const char* text :
       {"The quick brown fox's 12 <mask> jumps", "\xe2\x96\x81 na\xc3\xafve e\xcc\x81  \xf0\x9f\x98\x80\xff"})
    EncodeAll(**tokenizer, text);
}

}  // namespace

void ReadAsTokenizer(const std::string& name, const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  constexpr std::string_view kTexts = "texts.";
  if (name.compare(0, kTexts.size(), kTexts) == 0) return EncodeText(name.substr(kTexts.size()), text);
  LoadWith(name, text);
}

}  // namespace kprune
