// Numbers of tokenizer.json as Hugging Face's tokenizers library reads them.
#ifndef KPRUNE_ENGINE_TOKENIZERS_LIBRARY_NUMBERS_H_
#define KPRUNE_ENGINE_TOKENIZERS_LIBRARY_NUMBERS_H_

#include "nlohmann/json.hpp"

namespace kprune {

// What the library makes of the text of `number`: its digits as one whole number, times or divided by a power
// of ten. Now and then that is not the nearest double but one beside it. `number` is finite.
double AsLibraryReads(double number);

// Replaces the scores of a Unigram model in the `tokenizer` of a file by what the library reads: their last
// bits decide between segmentations that are otherwise as good ("99 99 9" or "9 99 99"). Leaves alone what is
// no such model.
void ReadScoresAsLibrary(nlohmann::json& tokenizer);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_LIBRARY_NUMBERS_H_
