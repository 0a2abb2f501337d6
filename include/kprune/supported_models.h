// What models can be pruned: the lists that servers tell and documents show. The engine has a row for each
// family (engine/model/family.cc), and a test that both agree.
#ifndef KPRUNE_SUPPORTED_MODELS_H_
#define KPRUNE_SUPPORTED_MODELS_H_

#include <array>
#include <string_view>

namespace kprune {

// Names as Hugging Face's pipelines and hub have them.
inline constexpr std::array kTasks = {"text-classification", "token-classification", "question-answering",
                                      "fill-mask",           "multiple-choice",      "image-classification",
                                      "feature-extraction"};

// The tasks of families that look at images.
inline constexpr std::string_view kImageTasks = "image-classification feature-extraction";

struct SupportedFamily {
  const char* model_type;  // of config.json
  // Tasks that transformers has no class of the family for, and exports that its results cannot have: names
  // with blanks between them.
  std::string_view missing_tasks = {}, missing_exports = {};
  bool images = false;  // looks at images, not at text
};

inline constexpr std::array kSupportedFamilies = {
    SupportedFamily{"albert"},
    SupportedFamily{"bert"},
    SupportedFamily{"camembert"},
    SupportedFamily{"deberta-v2"},
    SupportedFamily{.model_type = "deit", .images = true},
    SupportedFamily{"distilbert"},
    SupportedFamily{"electra"},
    SupportedFamily{"gte", "question-answering multiple-choice", "dense"},
    SupportedFamily{"modernbert"},
    SupportedFamily{"mpnet"},
    SupportedFamily{"nomic_bert", "question-answering multiple-choice", "dense"},
    SupportedFamily{"roberta"},
    SupportedFamily{.model_type = "vit", .images = true},
    SupportedFamily{"xlm-roberta"},
};

// Their names alone.
inline constexpr auto kFamilies = [] {
  std::array<const char*, kSupportedFamilies.size()> names{};
  for (size_t i = 0; i < names.size(); ++i) names[i] = kSupportedFamilies[i].model_type;
  return names;
}();

constexpr bool HasWord(std::string_view words, std::string_view word) {
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = words.find(' ', begin);
    if (words.substr(begin, end - begin) == word) return true;
    begin = end == std::string_view::npos ? words.size() : end + 1;
  }
  return false;
}

constexpr bool HasTask(const SupportedFamily& family, std::string_view task) {
  if (family.images) return HasWord(kImageTasks, task);
  return task != "image-classification" && !HasWord(family.missing_tasks, task);
}
constexpr bool HasExport(const SupportedFamily& family, std::string_view format) {
  return !HasWord(family.missing_exports, format);
}

}  // namespace kprune

#endif  // KPRUNE_SUPPORTED_MODELS_H_
