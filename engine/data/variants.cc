#include "engine/data/variants.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <utility>

#include "engine/data/image_variants.h"

namespace kprune {
namespace {

constexpr double kCropped = 0.3, kShortestCrop = 0.4;      // share of texts, and of a text
constexpr double kMostDropped = 0.3, kMostReplaced = 0.2;  // shares of a text's tokens
constexpr double kSpliced = 0.2, kPairsSpliced = 0.15;     // shares of texts that end as another does
constexpr double kPairedAgain[] = {0.2, 0.4, 0.5, 0.7};    // kept; repeated; new partner; swapped; kept

// A token of a text, and whether its outputs count (Sample::positions).
struct Token {
  int32_t id = 0;
  bool counts = false;
};

// A run of tokens and what closes it.
struct Text {
  std::vector<Token> tokens;
  int32_t type = 0;
  std::vector<int32_t> closing_ids, closing_types;
};

struct Framed {
  std::vector<int32_t> opening_ids, opening_types;  // [CLS], if there is one
  std::vector<Text> texts;
  bool some_count = false;  // not all tokens alike
  int32_t choice = 0;
};

// The token that all samples have at one end.
std::optional<int32_t> Shared(absl::Span<const Sample> samples, bool last) {
  const auto end_of = [last](const Sample& s) { return last ? s.input_ids.back() : s.input_ids.front(); };
  for (const Sample& sample : samples) {
    if (sample.input_ids.size() < 2 || end_of(sample) != end_of(samples[0])) return std::nullopt;
  }
  return end_of(samples[0]);
}

Framed FrameOf(const Sample& sample, std::optional<int32_t> opening, std::optional<int32_t> closing) {
  Framed framed;
  framed.some_count = !sample.positions.empty();
  framed.choice = sample.choice;
  std::vector<bool> counts(sample.input_ids.size());
  for (const int32_t position : sample.positions) counts[position] = true;
  size_t i = 0;
  if (opening) {
    framed.opening_ids = {sample.input_ids[0]};
    framed.opening_types = {sample.token_type_ids[0]};
    i = 1;
  }
  for (bool closed = true; i < sample.input_ids.size(); ++i) {
    const int32_t id = sample.input_ids[i], type = sample.token_type_ids[i];
    const bool closes = closing && id == *closing && !framed.texts.empty();
    if (!closes && closed) framed.texts.push_back({{}, type, {}, {}});
    closed = closes;
    Text& text = framed.texts.back();
    if (!closes) text.tokens.push_back({id, counts[i]});
    if (!closes) continue;
    text.closing_ids.push_back(id);
    text.closing_types.push_back(type);
  }
  return framed;
}

class VariantMaker {
 public:
  VariantMaker(absl::Span<const Sample> samples, uint32_t seed) : random_(uint64_t{seed} + 1000) {
    const std::optional<int32_t> opening = Shared(samples, /*last=*/false), closing = Shared(samples, true);
    for (const Sample& sample : samples) {
      framed_.push_back(FrameOf(sample, opening, closing));
      for (const Text& text : framed_.back().texts)
        bag_.insert(bag_.end(), text.tokens.begin(), text.tokens.end());
      longest_ = std::max(longest_, sample.input_ids.size());
    }
  }

  Sample VariantOf(size_t index) {
    Framed framed = framed_[index];
    if (framed.texts.size() == 1) {
      Text& text = framed.texts[0];
      text.tokens = Noisy(text.tokens);
      if (Uniform() < kSpliced) Splice(text.tokens, std::max<size_t>(1, text.tokens.size() / 2));
    } else if (framed.texts.size() == 2) {
      VaryPair(framed.texts[0].tokens, framed.texts[1].tokens);
    } else {
      for (Text& text : framed.texts) text.tokens = Noisy(text.tokens);
    }
    return Joined(framed);
  }

 private:
  double Uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  size_t Below(size_t bound) { return static_cast<size_t>(Uniform() * static_cast<double>(bound)); }
  Token AnyToken() { return bag_[Below(bag_.size())]; }
  const Text& AnyText() {
    const std::vector<Text>& texts = framed_[Below(framed_.size())].texts;
    return texts[Below(texts.size())];
  }

  std::vector<Token> Noisy(std::vector<Token> ids) {
    if (ids.size() > 3 && Uniform() < kCropped) {
      const double share = kShortestCrop + (1 - kShortestCrop) * Uniform();
      const size_t length = std::max<size_t>(2, static_cast<size_t>(share * static_cast<double>(ids.size())));
      const size_t begin = Below(ids.size() - length + 1);
      ids = std::vector<Token>(ids.begin() + static_cast<int64_t>(begin),
                               ids.begin() + static_cast<int64_t>(begin + length));
    }
    const double dropped = Uniform() * kMostDropped, replaced = Uniform() * kMostReplaced;
    std::vector<Token> noisy;
    for (const Token& id : ids) {
      if (Uniform() < dropped) continue;
      noisy.push_back(Uniform() < replaced ? AnyToken() : id);
    }
    if (noisy.empty()) noisy.push_back(AnyToken());
    return noisy;
  }

  // The first `length` tokens of `ids`, and the second half of another text.
  void Splice(std::vector<Token>& ids, size_t length) {
    const std::vector<Token>& other = AnyText().tokens;
    ids.resize(std::min(length, ids.size()));
    ids.insert(ids.end(), other.begin() + static_cast<int64_t>(other.size() / 2), other.end());
  }

  void VaryPair(std::vector<Token>& a, std::vector<Token>& b) {
    const double choice = Uniform();
    if (choice >= kPairedAgain[0] && choice < kPairedAgain[1]) {
      b = a;
    } else if (choice >= kPairedAgain[1] && choice < kPairedAgain[2]) {
      b = AnyText().tokens;
    } else if (choice >= kPairedAgain[2] && choice < kPairedAgain[3]) {
      std::swap(a, b);
    }
    a = Noisy(a);
    b = Noisy(b);
    if (choice > 1 - kPairsSpliced) Splice(b, b.size() / 2);
  }

  // Texts give way from their ends where the variant is too long, the longest first.
  Sample Joined(Framed& framed) const {
    size_t length = framed.opening_ids.size();
    for (const Text& text : framed.texts) length += text.tokens.size() + text.closing_ids.size();
    for (; length > longest_; --length) {
      std::max_element(framed.texts.begin(), framed.texts.end(), [](const Text& a, const Text& b) {
        return a.tokens.size() < b.tokens.size();
      })->tokens.pop_back();
    }
    Sample sample;
    sample.choice = framed.choice;
    const auto add = [&](const std::vector<int32_t>& ids, const std::vector<int32_t>& types) {
      sample.input_ids.insert(sample.input_ids.end(), ids.begin(), ids.end());
      sample.token_type_ids.insert(sample.token_type_ids.end(), types.begin(), types.end());
    };
    add(framed.opening_ids, framed.opening_types);
    for (const Text& text : framed.texts) {
      for (const Token& token : text.tokens) {
        if (framed.some_count && token.counts)
          sample.positions.push_back(static_cast<int32_t>(sample.input_ids.size()));
        sample.input_ids.push_back(token.id);
        sample.token_type_ids.push_back(text.type);
      }
      add(text.closing_ids, text.closing_types);
    }
    // None at all would mean all of them.
    if (framed.some_count && sample.positions.empty())
      sample.positions.push_back(static_cast<int32_t>(sample.input_ids.size() / 2));
    return sample;
  }

  // Raw output of a fixed engine: the distributions of the standard library differ between its makers.
  std::mt19937_64 random_;
  std::vector<Framed> framed_;
  std::vector<Token> bag_;  // all tokens of all texts
  size_t longest_ = 0;
};

}  // namespace

std::vector<Sample> MakeVariants(absl::Span<const Sample> samples, int count, uint32_t seed) {
  std::vector<Sample> variants;
  if (samples.empty()) return variants;
  if (samples[0].image != nullptr) return MakeImageVariants(samples, count, seed);
  VariantMaker maker(samples, seed);
  for (int k = 0; k < count; ++k) {
    for (size_t i = 0; i < samples.size(); ++i) variants.push_back(maker.VariantOf(i));
  }
  return variants;
}

std::vector<Sample> WithVariants(absl::Span<const Sample> samples, int count, uint32_t seed) {
  std::vector<Sample> all(samples.begin(), samples.end());
  std::vector<Sample> variants = MakeVariants(samples, count, seed);
  all.insert(all.end(), std::make_move_iterator(variants.begin()), std::make_move_iterator(variants.end()));
  return all;
}

}  // namespace kprune
