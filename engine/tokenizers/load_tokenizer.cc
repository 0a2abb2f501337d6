#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/library_numbers.h"
#include "engine/tokenizers/native_files.h"
#include "engine/tokenizers/tokenizer_config.h"
#include "engine/tokenizers/tokenizer_json.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::array kSentencepieceNames = {"spiece.model", "sentencepiece.bpe.model", "spm.model"};

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// The file that a folder without tokenizer.json is made from; empty where there is none.
struct NativeFile {
  NativeFiles kind = NativeFiles::kNone;
  fs::path path;
};

NativeFile FindNativeFile(const fs::path& folder) {
  if (const fs::path path = folder / "vocab.txt"; Exists(path)) return {NativeFiles::kVocabTxt, path};
  for (const char* name : {"vocab.json", "merges.txt"}) {
    if (const fs::path path = folder / name; Exists(path)) return {NativeFiles::kMerges, path};
  }
  for (const char* name : kSentencepieceNames) {
    if (const fs::path path = folder / name; Exists(path)) return {NativeFiles::kSentencepiece, path};
  }
  return {};
}

absl::StatusOr<Json> Convert(const TokenizerConfig& config, const NativeFile& file) {
  if (file.kind == NativeFiles::kVocabTxt) return ConvertVocabTxt(config);
  if (file.kind == NativeFiles::kMerges) return ConvertMerges(config);
  return ConvertSentencepiece(config, file.path);
}

// Where nothing else names one, the files say whose class it is.
absl::Status ChooseClass(const NativeFile& file, TokenizerConfig& config) {
  if (config.tokenizer_class == nullptr && file.kind == NativeFiles::kVocabTxt)
    config.tokenizer_class = FindTokenizerClass("BertTokenizer");
  if (config.tokenizer_class == nullptr && file.kind == NativeFiles::kMerges)
    config.tokenizer_class = FindTokenizerClass("RobertaTokenizer");
  if (file.kind == NativeFiles::kNone) return absl::OkStatus();
  if (config.tokenizer_class == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(file.path.string(),
                     " is a sentencepiece model, but neither tokenizer_class of tokenizer_config.json "
                     "nor model_type of config.json says of which family"));
  }
  if (config.tokenizer_class->files == file.kind) return absl::OkStatus();
  return absl::UnimplementedError(
      absl::StrCat(config.folder.string(), " has no tokenizer.json, and ", file.path.filename().string(),
                   " is no file of its tokenizer_class, ",
                   Quoted(std::string(config.tokenizer_class->name) + "Tokenizer")));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const fs::path& folder) {
  fs::path path = folder / "tokenizer.json";
  absl::StatusOr<Json> json = ReadJsonFile(path);
  if (!json.ok() && !absl::IsNotFound(json.status())) return json.status();
  const bool native = !json.ok();
  const NativeFile file = native ? FindNativeFile(folder) : NativeFile{};
  if (native && file.kind == NativeFiles::kNone) {
    return absl::NotFoundError(absl::StrCat(folder.string(),
                                            " has no tokenizer: tokenizer.json, vocab.txt, vocab.json with "
                                            "merges.txt, or a sentencepiece model is needed"));
  }
  absl::StatusOr<TokenizerConfig> config = ReadTokenizerConfig(folder);
  if (!config.ok()) return config.status();
  if (native) {
    if (absl::Status status = ChooseClass(file, *config); !status.ok()) return status;
    path = file.path;
    json = Convert(*config, file);
    if (!json.ok()) return json.status();
  } else {
    ReadScoresAsLibrary(*json);
  }
  absl::StatusOr<TokenizerParts> parts = ReadTokenizerJson(*json, *config, native, path.string());
  if (!parts.ok()) return parts.status();
  return std::make_unique<TokenizerPipeline>(*std::move(parts));
}

}  // namespace kprune
