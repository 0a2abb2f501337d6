#include "tests/fuzz/fuzzed_samples.h"

#include <fstream>
#include <memory>

#include "engine/data/samples.h"
#include "tests/fuzz/promises.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

constexpr LabelKind kKinds[] = {LabelKind::kClass,       LabelKind::kAny,        LabelKind::kMultiLabel,
                                LabelKind::kRegression,  LabelKind::kTokenClass, LabelKind::kSpan,
                                LabelKind::kMaskedToken, LabelKind::kChoice};

void Write(const std::filesystem::path& path, const char* bytes, size_t size) {
  std::ofstream(path, std::ios::binary).write(bytes, static_cast<std::streamsize>(size));
}

// A folder in memory where there is one, with a tokenizer of a few words.
struct Model {
  Model() {
    const std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\n##ly\nbad\n";
    Write(folder / "vocab.txt", vocabulary.data(), vocabulary.size());
    tokenizer = *LoadTokenizer(folder.path());
    limits.max_positions = 24;
    limits.vocab_size = 8;
    limits.num_labels = 3;
    limits.label2id = {{"O", 0}, {"B-X", 1}, {"I-X", 2}};
    limits.mask_token_id = tokenizer->mask_id();
    limits.threads = 1;
  }

  TempDirectory folder;
  std::unique_ptr<Tokenizer> tokenizer;
  SampleLimits limits;
};

}  // namespace

void ReadAsSamples(const std::string& name, const uint8_t* bytes, size_t size) {
  static Model model;
  model.limits.label_kind = kKinds[size % std::size(kKinds)];
  const std::filesystem::path path = model.folder / name;
  Write(path, reinterpret_cast<const char*>(bytes), size);
  const LineChoice choice = {static_cast<int64_t>(size / std::size(kKinds) % 3), 0.5, 1};
  const absl::StatusOr<SampleSet> set = ReadSamples({path}, model.tokenizer.get(), model.limits, choice);
  if (!set.ok()) return RequireRefusal(set.status());
  Require(!set->samples.empty() && set->available >= static_cast<int64_t>(set->lines.size()),
          "there is a sample");
  for (const Sample& sample : set->samples) {
    Require(!sample.input_ids.empty() &&
                static_cast<int32_t>(sample.input_ids.size()) <= model.limits.max_positions,
            "samples are as long as they may be");
    for (const int32_t id : sample.input_ids)
      Require(id >= 0 && id < model.limits.vocab_size, "ids are below vocab_size");
    for (const int32_t place : sample.positions)
      Require(place >= 0 && place < static_cast<int32_t>(sample.input_ids.size()),
              "positions are within the sample");
  }
}

}  // namespace kprune
