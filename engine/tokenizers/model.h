// What makes tokens of words: the "model" of tokenizer.json.
#ifndef KPRUNE_ENGINE_TOKENIZERS_MODEL_H_
#define KPRUNE_ENGINE_TOKENIZERS_MODEL_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/tokenizers/aligned_text.h"
#include "engine/tokenizers/vocabulary.h"

namespace kprune {

// The tokens of a word, and which of its bytes each stands for.
class TokenSink {
 public:
  // Borrows both; `ranges` may be null.
  TokenSink(std::vector<int32_t>& ids, std::vector<ByteRange>* ranges) : ids_(ids), ranges_(ranges) {}

  void Add(int32_t id, size_t begin, size_t end) {
    ids_.push_back(id);
    if (ranges_ != nullptr) ranges_->push_back({begin, end});
  }
  size_t size() const { return ids_.size(); }
  // Takes back all but the first `size`.
  void Shrink(size_t size) {
    ids_.resize(size);
    if (ranges_ != nullptr) ranges_->resize(size);
  }

 private:
  std::vector<int32_t>& ids_;
  std::vector<ByteRange>* const ranges_;
};

// Thread-safe: immutable.
class Model {
 public:
  virtual ~Model() = default;

  // The tokens of one word, which is valid UTF-8 and not empty. Ranges are of the word's bytes.
  virtual void Tokenize(std::string_view word, TokenSink& tokens) const = 0;

  virtual const Vocabulary& vocabulary() const = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_MODEL_H_
