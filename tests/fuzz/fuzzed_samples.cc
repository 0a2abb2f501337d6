#include "tests/fuzz/fuzzed_samples.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "engine/data/samples.h"
#include "nlohmann/json.hpp"
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

void Require(bool holds, const char* what, const absl::Status& status) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::abort();
}

}  // namespace

void ReadAsSamples(const std::string& name, const uint8_t* bytes, size_t size) {
  static Model model;
  model.limits.label_kind = kKinds[size % std::size(kKinds)];
  const std::filesystem::path path = model.folder / name;
  Write(path, reinterpret_cast<const char*>(bytes), size);
  const LineChoice choice = {static_cast<int64_t>(size / std::size(kKinds) % 3), 0.5, 1};
  const absl::StatusOr<SampleSet> set = ReadSamples({path}, model.tokenizer.get(), model.limits, choice);
  if (!set.ok()) {
    const std::string message(set.status().message());
    const bool refused = absl::IsInvalidArgument(set.status()) || absl::IsUnimplemented(set.status());
    Require(refused && !message.empty() && message.size() < 8192, "not a refusal", set.status());
    Require(!nlohmann::json(message).dump(-1, ' ', false, nlohmann::json::error_handler_t::strict).empty(),
            "no UTF-8", set.status());
    return;
  }
  Require(!set->samples.empty() && set->available >= static_cast<int64_t>(set->lines.size()), "no sample",
          set.status());
  for (const Sample& sample : set->samples) {
    Require(!sample.input_ids.empty() &&
                static_cast<int32_t>(sample.input_ids.size()) <= model.limits.max_positions,
            "length", set.status());
    for (const int32_t id : sample.input_ids)
      Require(id >= 0 && id < model.limits.vocab_size, "id", set.status());
    for (const int32_t place : sample.positions)
      Require(place >= 0 && place < static_cast<int32_t>(sample.input_ids.size()), "position", set.status());
  }
}

}  // namespace kprune
