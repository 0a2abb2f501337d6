// A real but tiny checkpoint, written to a folder: config.json, vocab.txt, tokenizer_config.json and a
// model.safetensors of seeded random weights, in the names and shapes that transformers gives BERT and
// DistilBERT. It lets tests run the whole pipeline in milliseconds, without a download and without LibTorch.
//
//   const TinyModel tiny{.family = "distilbert", .task = "text-classification"};
//   WriteTinyModel(folder / "model", tiny);
//   WriteTinySentences(folder / "samples.jsonl", 64, tiny);
//
// The same values give the same bytes on every machine. The safetensors writer here is its own, so that the
// engine's reader is not tested against the engine's writer. Functions throw std::runtime_error where a file
// cannot be written. Thread-safe.
#ifndef KPRUNE_TESTS_SUPPORT_TINY_MODEL_H_
#define KPRUNE_TESTS_SUPPORT_TINY_MODEL_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kprune::testing {

// The families that can be written.
inline constexpr std::array kTinyFamilies = {"bert", "distilbert"};

struct TinyModel {
  // "bert" or "distilbert"; becomes model_type, and any other text is written as it is over BERT's tensors
  // (to be refused).
  std::string family = "bert";

  // "feature-extraction" (a bare encoder), or another of kTasks (with its head).
  std::string task = "feature-extraction";

  // Of text-classification and token-classification: outputs; of text-classification config.json's
  // problem_type ("single_label_classification", "multi_label_classification" or "regression"; one label
  // belongs to regression). Labels of tokens are called O, B-A, I-A, B-B, I-B ...
  int labels = 2;
  std::string problem_type = "single_label_classification";

  int hidden = 32;
  int layers = 2;
  int heads = 4;
  int neurons = 64;
  int positions = 64;
  uint32_t seed = 0;

  // Of feature-extraction: also writes modules.json and 1_Pooling/config.json (mean pooling, then
  // normalised).
  bool sentence_encoder = false;

  // A tensor whose first element becomes NaN; empty means none.
  std::string poisoned_tensor = "";

  // A tensor that is left out; empty means none.
  std::string missing_tensor = "";
};

// Creates `folder` and writes the checkpoint into it.
void WriteTinyModel(const std::filesystem::path& folder, const TinyModel& model);

// Writes `lines` distinct JSON lines {"text": ...} of 3 to 12 words from the vocabulary, or what the task has
// in its place; with labels that depend on the words, so that they can be learned (none for fill-mask and
// feature-extraction). The first `n` lines are the same for every `lines` >= n.
void WriteTinySentences(const std::filesystem::path& file, int lines, const TinyModel& model);

// Writes samples as token ids: one tensor "input_ids" [rows, tokens] of int32. Every row has as many tokens
// as the first.
void WriteTokenIds(const std::filesystem::path& file, const std::vector<std::vector<int32_t>>& rows);

// The lines of vocab.txt: 5 special tokens, punctuation, digits, letters, words and "##" pieces.
std::vector<std::string> TinyVocabulary();

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_TINY_MODEL_H_
