// Sentencepiece's way with blanks: they are written "▁", and words begin with theirs.
#ifndef KPRUNE_ENGINE_TOKENIZERS_METASPACE_H_
#define KPRUNE_ENGINE_TOKENIZERS_METASPACE_H_

#include <string>
#include <utility>

#include "engine/tokenizers/pre_tokenizer.h"

namespace kprune {

// Before which words a blank is put that have none.
enum class PrependScheme { kAlways, kFirst, kNever };

// "Metaspace". kFirst: only before the word at the beginning of the text.
class MetaspaceSplit : public PreTokenizer {
 public:
  // `replacement` is one character. `split`: the text is cut before every blank.
  MetaspaceSplit(std::string replacement, PrependScheme prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}

  void Split(WordList& words) const override;
  bool needs_alignment() const override { return prepend_ == PrependScheme::kFirst; }

 private:
  void AppendWord(const AlignedText& text, ByteRange word, AlignedText& result) const;
  bool Prepends(const AlignedText& text, ByteRange word) const;

  const std::string replacement_;
  const PrependScheme prepend_;
  const bool split_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_METASPACE_H_
