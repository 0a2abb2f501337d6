// Which file names a model, a data set or a result may contain. Clients choose what to send by it, and the
// server lays job directories out from it alone: no path is ever built from a name that is not accepted here.
// Thread-safe: pure functions.
#ifndef KPRUNE_LAYOUT_H_
#define KPRUNE_LAYOUT_H_

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace kprune {

enum class FileRole { kModel, kData, kResult };

// Of a result, beside its report: what transformers loads it with, and the same model in the original's
// shapes. Neither is ever accepted from a client.
inline constexpr std::string_view kModelingFileName = "modeling_kprune.py";
inline constexpr std::string_view kDenseFolder = "dense";

// The report as a page, and the model card.
inline constexpr std::string_view kReportPageName = "report.html";
inline constexpr std::string_view kModelCardName = "README.md";

// What the result was made from and how, with a digest of every other file of it; and the same, signed.
inline constexpr std::string_view kProvenanceName = "provenance.json";
inline constexpr std::string_view kSignedProvenanceName = "provenance.dsse.json";

namespace layout_internal {

inline bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

inline bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// A plain file name: 1 to 128 of [A-Za-z0-9._-], not starting with a dot or a dash.
inline bool IsPlainName(std::string_view name) {
  if (name.empty() || name.size() > 128 || name[0] == '.' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

inline constexpr std::array<std::string_view, 16> kModelFiles = {"config.json",
                                                                 "tokenizer.json",
                                                                 "tokenizer_config.json",
                                                                 "special_tokens_map.json",
                                                                 "added_tokens.json",
                                                                 "vocab.txt",
                                                                 "vocab.json",
                                                                 "merges.txt",
                                                                 "sentencepiece.bpe.model",
                                                                 "spiece.model",
                                                                 "spm.model",
                                                                 "modules.json",
                                                                 "sentence_bert_config.json",
                                                                 "config_sentence_transformers.json",
                                                                 "preprocessor_config.json",
                                                                 "model.safetensors.index.json"};

inline bool IsModelName(std::string_view name) {
  if (std::find(kModelFiles.begin(), kModelFiles.end(), name) != kModelFiles.end()) return true;
  if (IsPlainName(name)) return StartsWith(name, "model") && EndsWith(name, ".safetensors");
  // sentence-transformers modules: N_Pooling/config.json, N_Normalize/config.json
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view folder = name.substr(0, slash);
  if (!IsPlainName(folder) || name.substr(slash + 1) != "config.json") return false;
  const bool numbered = folder[0] >= '0' && folder[0] <= '9';
  return numbered && (EndsWith(folder, "_Pooling") || EndsWith(folder, "_Normalize"));
}

inline constexpr std::array<std::string_view, 10> kResultFiles = {"report.json",
                                                                  kModelingFileName,
                                                                  kReportPageName,
                                                                  kModelCardName,
                                                                  kProvenanceName,
                                                                  kSignedProvenanceName,
                                                                  "onnx/model.onnx",
                                                                  "model.torchscript.pt",
                                                                  "triton/model/config.pbtxt",
                                                                  "triton/model/1/model.onnx"};

inline bool IsResultName(std::string_view name) {
  if (StartsWith(name, kDenseFolder) && name.substr(kDenseFolder.size(), 1) == "/")
    return IsModelName(name.substr(kDenseFolder.size() + 1));
  return IsModelName(name) || std::find(kResultFiles.begin(), kResultFiles.end(), name) != kResultFiles.end();
}

// What data may be: formats of text, which may be packed, and others.
inline constexpr std::array<std::string_view, 7> kTextDataEndings = {".jsonl", ".ndjson", ".json", ".csv",
                                                                     ".tsv",   ".txt",    ".conll"};
inline constexpr std::array<std::string_view, 2> kPackedEndings = {".gz", ".zst"};
inline constexpr std::array<std::string_view, 2> kOtherDataEndings = {".parquet", ".safetensors"};

inline constexpr std::string_view kBudgetPrefix = "keep-0.";
inline constexpr int kMostDecimals = 12;

}  // namespace layout_internal

// Names that a model's folder may have whatever the model is: those that can be asked for where a folder
// cannot be listed. Weights and the configs of poolings are named by others.
inline constexpr const auto& FixedModelNames() { return layout_internal::kModelFiles; }

// The folder of the model that keeps the share `keep`, in (0, 1), in a result of several: "keep-0.50",
// "keep-0.125"; at least two decimals and at most twelve.
inline std::string BudgetFolder(double keep) {
  char digits[32];
  for (int decimals = 2; decimals <= layout_internal::kMostDecimals; ++decimals) {
    std::snprintf(digits, sizeof(digits), "%.*f", decimals, keep);
    if (std::strtod(digits, nullptr) == keep) break;
  }
  return std::string("keep-") + digits;
}

// Whether `name` may be one of BudgetFolder.
inline bool IsBudgetFolder(std::string_view name) {
  using namespace layout_internal;
  if (!StartsWith(name, kBudgetPrefix)) return false;
  const std::string_view digits = name.substr(kBudgetPrefix.size());
  return digits.size() >= 2 && digits.size() <= kMostDecimals &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

// The model's folder within a result of several, "" for files of the result itself: "keep-0.50" of
// "keep-0.50/config.json".
inline std::string_view BudgetFolderOf(std::string_view name) {
  const size_t slash = name.find('/');
  const std::string_view folder = slash == std::string_view::npos ? "" : name.substr(0, slash);
  return IsBudgetFolder(folder) ? folder : "";
}

// What a data file's name ends with: ".jsonl", ".csv.gz", ...; "" where it is of no format that is accepted.
inline std::string_view DataEnding(std::string_view name) {
  using namespace layout_internal;
  const auto ending_of = [](std::string_view text, const auto& endings) -> std::string_view {
    for (std::string_view ending : endings) {
      if (EndsWith(text, ending)) return ending;
    }
    return "";
  };
  const std::string_view packed = ending_of(name, kPackedEndings);
  std::string_view ending = ending_of(name.substr(0, name.size() - packed.size()), kTextDataEndings);
  if (ending.empty() && packed.empty()) ending = ending_of(name, kOtherDataEndings);
  return ending.empty() ? "" : name.substr(name.size() - packed.size() - ending.size());
}

// All endings, for messages: ".jsonl, .csv, ...".
inline std::string DataEndings() {
  using namespace layout_internal;
  std::string text, packed, others;
  for (std::string_view ending : kTextDataEndings) text += (text.empty() ? "" : ", ") + std::string(ending);
  for (std::string_view ending : kPackedEndings)
    packed += (packed.empty() ? "" : " or ") + std::string(ending);
  for (std::string_view ending : kOtherDataEndings)
    others += (others.empty() ? "" : ", ") + std::string(ending);
  return text + " (also with " + packed + " behind), " + others;
}

// Whether `name` may stand in a manifest of that role.
inline bool IsAllowedName(FileRole role, std::string_view name) {
  using namespace layout_internal;
  switch (role) {
    case FileRole::kModel:
      return IsModelName(name);
    case FileRole::kData:
      return IsPlainName(name) && !DataEnding(name).empty();
    case FileRole::kResult: {
      const size_t folder = BudgetFolderOf(name).size();
      return IsResultName(folder > 0 ? name.substr(folder + 1) : name);
    }
  }
  return false;
}

}  // namespace kprune

#endif  // KPRUNE_LAYOUT_H_
