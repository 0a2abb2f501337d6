#include "engine/tokenizers/tokenizer_class.h"

#include <utility>

namespace kprune {
namespace {

const std::vector<SpecialTokenDefault>& BertSpecials() {
  static const std::vector<SpecialTokenDefault> specials = {{"unk_token", "[UNK]"},
                                                            {"sep_token", "[SEP]"},
                                                            {"pad_token", "[PAD]"},
                                                            {"cls_token", "[CLS]"},
                                                            {"mask_token", "[MASK]"}};
  return specials;
}

// Of the classes that have <s> and </s>; the mask takes the blank before it along.
std::vector<SpecialTokenDefault> FairseqSpecials(bool normalized) {
  return {{"cls_token", "<s>", false, normalized},
          {"sep_token", "</s>", false, normalized},
          {"unk_token", "<unk>", false, normalized},
          {"pad_token", "<pad>", false, normalized},
          {"mask_token", "<mask>", true, false}};
}

std::vector<SpecialTokenDefault> CamembertSpecials() {
  std::vector<SpecialTokenDefault> specials = FairseqSpecials(false);
  for (const char* unused : {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"})
    specials.push_back({kAdditionalSpecials, unused});
  return specials;
}

bool StripSuffix(std::string_view& text, std::string_view suffix) {
  if (text.size() < suffix.size() || text.substr(text.size() - suffix.size()) != suffix) return false;
  text.remove_suffix(suffix.size());
  return true;
}

const TokenizerClass* FindByName(std::string_view name) {
  for (const TokenizerClass& known : TokenizerClasses()) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

}  // namespace

absl::Span<const TokenizerClass> TokenizerClasses() {
  static const std::vector<TokenizerClass> classes = {
      {"Bert", NativeFiles::kVocabTxt, BertSpecials()},
      {"DistilBert", NativeFiles::kVocabTxt, BertSpecials()},
      {"Electra", NativeFiles::kVocabTxt, BertSpecials()},
      {"MPNet",
       NativeFiles::kVocabTxt,
       {{"cls_token", "<s>", false, true},
        {"sep_token", "</s>", false, true},
        {"unk_token", "[UNK]", false, true},
        {"pad_token", "<pad>", false, true},
        {"mask_token", "<mask>", true, true}}},
      {"Roberta", NativeFiles::kMerges, FairseqSpecials(true)},
      {"XLMRoberta", NativeFiles::kSentencepiece, FairseqSpecials(false)},
      {"Camembert", NativeFiles::kSentencepiece, CamembertSpecials()},
      {"Albert",
       NativeFiles::kSentencepiece,
       {{"cls_token", "[CLS]"},
        {"sep_token", "[SEP]"},
        {"unk_token", "<unk>"},
        {"pad_token", "<pad>"},
        {"mask_token", "[MASK]", true}}},
      {"DebertaV2",
       NativeFiles::kSentencepiece,
       {{"unk_token", "[UNK]", false, true},
        {"sep_token", "[SEP]"},
        {"pad_token", "[PAD]"},
        {"cls_token", "[CLS]"},
        {"mask_token", "[MASK]"}}},
      // What loads tokenizer.json and nothing else, in transformers 4 and 5.
      {"PreTrained", NativeFiles::kNone, {}},
      {"TokenizersBackend", NativeFiles::kNone, {}},
  };
  return classes;
}

const TokenizerClass* FindTokenizerClass(std::string_view name) {
  if (!StripSuffix(name, "TokenizerFast")) StripSuffix(name, "Tokenizer");
  return FindByName(name);
}

const TokenizerClass* TokenizerClassOfModel(std::string_view model_type) {
  static constexpr std::pair<std::string_view, std::string_view> kClasses[] = {{"albert", "Albert"},
                                                                               {"bert", "Bert"},
                                                                               {"camembert", "Camembert"},
                                                                               {"deberta-v2", "DebertaV2"},
                                                                               {"distilbert", "DistilBert"},
                                                                               {"electra", "Electra"},
                                                                               {"gte", "Bert"},
                                                                               {"mpnet", "MPNet"},
                                                                               {"nomic_bert", "Bert"},
                                                                               {"roberta", "Roberta"},
                                                                               {"xlm-roberta", "XLMRoberta"}};
  for (const auto& [type, name] : kClasses) {
    if (type == model_type) return FindByName(name);
  }
  return nullptr;
}

}  // namespace kprune
