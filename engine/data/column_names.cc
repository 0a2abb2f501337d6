#include "engine/data/column_names.h"

#include <map>

namespace kprune {
namespace {

const ColumnTier kPairs = {
    {"sentence1", "sentence2"}, {"premise", "hypothesis"}, {"question1", "question2"},
    {"question", "sentence"},   {"question", "context"},   {"question", "passage"},
    {"query", "passage"},       {"query", "document"},     {"query", "positive"},
    {"text_a", "text_b"},       {"text1", "text2"},        {"sentence_a", "sentence_b"},
    {"claim", "evidence"},      {"anchor", "positive"},    {"#1_string", "#2_string"},
};

const ColumnTier kTexts = {
    {"sentence"}, {"content"}, {"review"},      {"comment"}, {"comment_text"}, {"document"},   {"body"},
    {"tweet"},    {"message"}, {"utterance"},   {"query"},   {"question"},     {"passage"},    {"article"},
    {"abstract"}, {"phrase"},  {"description"}, {"input"},   {"review_body"},  {"paragraph"},  {"sentence1"},
    {"premise"},  {"text_a"},  {"text1"},       {"anchor"},  {"review_text"},  {"reviewtext"},
};

const ColumnTier kTitles = {{"title"}, {"headline"}, {"subject"}, {"summary"}};

const ColumnTier kClasses = {{"labels"},    {"target"},   {"class"},       {"category"}, {"gold_label"},
                             {"sentiment"}, {"label_id"}, {"class_index"}, {"y"}};
const ColumnTier kMoreClasses = {{"emotion"}, {"intent"},      {"topic"},  {"polarity"},
                                 {"stars"},   {"star_rating"}, {"rating"}, {"score"}};

const ColumnTier kScores = {
    {"labels"}, {"score"},       {"similarity"}, {"similarity_score"}, {"relatedness_score"},
    {"target"}, {"star_rating"}, {"stars"},      {"rating"},           {"y"}};

const ColumnTier kManyClasses = {{"labels"}, {"target"},   {"targets"}, {"categories"},
                                 {"tags"},   {"emotions"}, {"genres"},  {"classes"}};

const std::vector<ColumnTier>& LabelColumns(LabelKind kind) {
  static const std::vector<ColumnTier> kOneClass = {{{"label"}}, kClasses, kMoreClasses};
  static const std::vector<ColumnTier> kNumber = {{{"label"}}, kScores};
  static const std::vector<ColumnTier> kSeveral = {{{"label"}}, kManyClasses};
  static const std::vector<ColumnTier> kChoice = {{{"label"}},
                                                  {{"labels"}, {"answer"}, {"answerkey"}, {"gold_label"}}};
  static const std::vector<ColumnTier> kOther = {{{"label"}}};
  switch (kind) {
    case LabelKind::kClass:
      return kOneClass;
    case LabelKind::kRegression:
      return kNumber;
    case LabelKind::kMultiLabel:
      return kSeveral;
    case LabelKind::kChoice:
      return kChoice;
    default:
      return kOther;
  }
}

const std::vector<ColumnTier>& TextColumns(LabelKind kind) {
  static const std::vector<ColumnTier> kOneText = {{{"text"}}, kTexts, kTitles};
  static const std::vector<ColumnTier> kTextOrPair = {{{"text"}}, kPairs, kTexts, kTitles};
  static const std::vector<ColumnTier> kBeforeChoices = {{{"text"}},
                                                         {{"question"},
                                                          {"ctx"},
                                                          {"context"},
                                                          {"goal"},
                                                          {"premise"},
                                                          {"startphrase"},
                                                          {"prompt"},
                                                          {"query"},
                                                          {"sentence"},
                                                          {"article"}}};
  switch (kind) {
    case LabelKind::kChoice:
      return kBeforeChoices;
    case LabelKind::kAny:
    case LabelKind::kTokenClass:
      return kOneText;
    default:
      return kTextOrPair;
  }
}

}  // namespace

const std::vector<ColumnTier>& KnownColumns(std::string_view role, LabelKind kind) {
  static const std::map<std::string_view, std::vector<ColumnTier>> kOthers = {
      {"text_pair", {{{"text_pair"}}}},
      {"tokens", {{{"tokens"}}, {{"words"}}}},
      {"tags",
       {{{"tags"}}, {{"ner_tags"}}, {{"labels"}, {"label"}, {"ner"}, {"tag"}, {"pos_tags"}, {"upos"}}}},
      {"question", {{{"question"}}, {{"query"}}}},
      {"context", {{{"context"}}, {{"passage"}, {"paragraph"}, {"document"}}}},
      {"answers", {{{"answers"}}, {{"answer"}}}},
      {"choices", {{{"choices"}}, {{"endings"}, {"options"}, {"answers"}, {"candidates"}}}},
  };
  if (role == "text") return TextColumns(kind);
  if (role == "label") return LabelColumns(kind);
  return kOthers.at(role);
}

const std::vector<std::string_view>& ChoiceStems() {
  static const std::vector<std::string_view> kStems = {"choice", "ending", "option", "answer", "sol"};
  return kStems;
}

const std::vector<ColumnRole>& RolesOf(LabelKind kind) {
  static const std::vector<ColumnRole> kTokens = {{"tokens"}, {"text"}, {"tags"}};
  static const std::vector<ColumnRole> kQuestions = {{"question", true}, {"context", true}, {"answers"}};
  static const std::vector<ColumnRole> kMasked = {{"text", true}, {"text_pair"}};
  static const std::vector<ColumnRole> kChoices = {{"text", true}, {"choices", true}, {"label"}};
  static const std::vector<ColumnRole> kLabelled = {{"text", true}, {"text_pair"}, {"label"}};
  switch (kind) {
    case LabelKind::kTokenClass:
      return kTokens;
    case LabelKind::kSpan:
      return kQuestions;
    case LabelKind::kMaskedToken:
      return kMasked;
    case LabelKind::kChoice:
      return kChoices;
    default:
      return kLabelled;
  }
}

}  // namespace kprune
