#include "engine/data/variants.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <utility>

namespace kprune {
namespace {

constexpr double kCropped = 0.3, kShortestCrop = 0.4;      // share of texts, and of a text
constexpr double kMostDropped = 0.3, kMostReplaced = 0.2;  // shares of a text's tokens
constexpr double kSpliced = 0.2, kPairsSpliced = 0.15;     // shares of texts that end as another does
constexpr double kPairedAgain[] = {0.2, 0.4, 0.5, 0.7};    // kept; repeated; new partner; swapped; kept

// A run of tokens and what closes it.
struct Text {
  std::vector<int32_t> ids;
  int32_t type = 0;
  std::vector<int32_t> closing_ids, closing_types;
};

struct Framed {
  std::vector<int32_t> opening_ids, opening_types;  // [CLS], if there is one
  std::vector<Text> texts;
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
    (closes ? text.closing_ids : text.ids).push_back(id);
    if (closes) text.closing_types.push_back(type);
  }
  return framed;
}

class VariantMaker {
 public:
  VariantMaker(absl::Span<const Sample> samples, uint32_t seed) : random_(uint64_t{seed} + 1000) {
    const std::optional<int32_t> opening = Shared(samples, /*last=*/false), closing = Shared(samples, true);
    for (const Sample& sample : samples) {
      framed_.push_back(FrameOf(sample, opening, closing));
      for (const Text& text : framed_.back().texts) bag_.insert(bag_.end(), text.ids.begin(), text.ids.end());
      longest_ = std::max(longest_, sample.input_ids.size());
    }
  }

  Sample VariantOf(size_t index) {
    Framed framed = framed_[index];
    if (framed.texts.size() == 1) {
      Text& text = framed.texts[0];
      text.ids = Noisy(text.ids);
      if (Uniform() < kSpliced) Splice(text.ids, std::max<size_t>(1, text.ids.size() / 2));
    } else if (framed.texts.size() == 2) {
      VaryPair(framed.texts[0].ids, framed.texts[1].ids);
    } else {
      for (Text& text : framed.texts) text.ids = Noisy(text.ids);
    }
    return Joined(framed);
  }

 private:
  double Uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  size_t Below(size_t bound) { return static_cast<size_t>(Uniform() * static_cast<double>(bound)); }
  int32_t AnyToken() { return bag_[Below(bag_.size())]; }
  const Text& AnyText() {
    const std::vector<Text>& texts = framed_[Below(framed_.size())].texts;
    return texts[Below(texts.size())];
  }

  std::vector<int32_t> Noisy(std::vector<int32_t> ids) {
    if (ids.size() > 3 && Uniform() < kCropped) {
      const double share = kShortestCrop + (1 - kShortestCrop) * Uniform();
      const size_t length = std::max<size_t>(2, static_cast<size_t>(share * static_cast<double>(ids.size())));
      const size_t begin = Below(ids.size() - length + 1);
      ids = std::vector<int32_t>(ids.begin() + static_cast<int64_t>(begin),
                                 ids.begin() + static_cast<int64_t>(begin + length));
    }
    const double dropped = Uniform() * kMostDropped, replaced = Uniform() * kMostReplaced;
    std::vector<int32_t> noisy;
    for (const int32_t id : ids) {
      if (Uniform() < dropped) continue;
      noisy.push_back(Uniform() < replaced ? AnyToken() : id);
    }
    if (noisy.empty()) noisy.push_back(AnyToken());
    return noisy;
  }

  // The first `length` tokens of `ids`, and the second half of another text.
  void Splice(std::vector<int32_t>& ids, size_t length) {
    const std::vector<int32_t>& other = AnyText().ids;
    ids.resize(std::min(length, ids.size()));
    ids.insert(ids.end(), other.begin() + static_cast<int64_t>(other.size() / 2), other.end());
  }

  void VaryPair(std::vector<int32_t>& a, std::vector<int32_t>& b) {
    const double choice = Uniform();
    if (choice >= kPairedAgain[0] && choice < kPairedAgain[1]) {
      b = a;
    } else if (choice >= kPairedAgain[1] && choice < kPairedAgain[2]) {
      b = AnyText().ids;
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
    for (const Text& text : framed.texts) length += text.ids.size() + text.closing_ids.size();
    for (; length > longest_; --length) {
      std::max_element(framed.texts.begin(), framed.texts.end(), [](const Text& a, const Text& b) {
        return a.ids.size() < b.ids.size();
      })->ids.pop_back();
    }
    Sample sample;
    const auto add = [&](const std::vector<int32_t>& ids, const std::vector<int32_t>& types) {
      sample.input_ids.insert(sample.input_ids.end(), ids.begin(), ids.end());
      sample.token_type_ids.insert(sample.token_type_ids.end(), types.begin(), types.end());
    };
    add(framed.opening_ids, framed.opening_types);
    for (const Text& text : framed.texts) {
      add(text.ids, std::vector<int32_t>(text.ids.size(), text.type));
      add(text.closing_ids, text.closing_types);
    }
    return sample;
  }

  // Raw output of a fixed engine: the distributions of the standard library differ between its makers.
  std::mt19937_64 random_;
  std::vector<Framed> framed_;
  std::vector<int32_t> bag_;  // all tokens of all texts
  size_t longest_ = 0;
};

}  // namespace

std::vector<Sample> MakeVariants(absl::Span<const Sample> samples, int count, uint32_t seed) {
  std::vector<Sample> variants;
  if (samples.empty()) return variants;
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
