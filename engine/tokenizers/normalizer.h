// What a text becomes before it is cut into words: the "normalizer" of tokenizer.json.
#ifndef KPRUNE_ENGINE_TOKENIZERS_NORMALIZER_H_
#define KPRUNE_ENGINE_TOKENIZERS_NORMALIZER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/tokenizers/aligned_text.h"
#include "engine/tokenizers/normal_forms.h"

namespace kprune {

// Thread-safe: immutable.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void Normalize(AlignedText& text) const = 0;
};

// One after the other.
class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  void Normalize(AlignedText& text) const override {
    for (const auto& step : steps_) step->Normalize(text);
  }

 private:
  const std::vector<std::unique_ptr<Normalizer>> steps_;
};

// NFC, NFD, NFKC, NFKD.
class NormalFormNormalizer : public Normalizer {
 public:
  explicit NormalFormNormalizer(NormalForm form) : form_(form) {}
  void Normalize(AlignedText& text) const override;

 private:
  const NormalForm form_;
};

// Character by character.
class LowercaseNormalizer : public Normalizer {
 public:
  void Normalize(AlignedText& text) const override;
};

// Removes all marks; letters that carry theirs within keep them.
class StripAccentsNormalizer : public Normalizer {
 public:
  void Normalize(AlignedText& text) const override;
};

// Removes white space at the ends.
class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void Normalize(AlignedText& text) const override;

 private:
  const bool left_;
  const bool right_;
};

// Puts text before what is not empty.
class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  void Normalize(AlignedText& text) const override;

 private:
  const std::string prefix_;
};

// Removes control characters and makes blanks of all that looks like one, as for the models of "Nmt".
class NmtNormalizer : public Normalizer {
 public:
  void Normalize(AlignedText& text) const override;
};

// Writes every byte as a printable character (byte_level.h).
class ByteLevelNormalizer : public Normalizer {
 public:
  void Normalize(AlignedText& text) const override;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_NORMALIZER_H_
