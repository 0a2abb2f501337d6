// What an independent implementation kept and computed on a real model: ../shared/golden.
#ifndef KPRUNE_TESTS_ENGINE_PRUNING_GOLDEN_H_
#define KPRUNE_TESTS_ENGINE_PRUNING_GOLDEN_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/tokenizers/tokenizer.h"
#include "engine/formats/safetensors.h"
#include "engine/model/model_folder.h"
#include "engine/pruning_methods.h"
#include "tests/engine/model/compute_device.h"
#include "tests/engine/pruning/random_encoder.h"

namespace kprune::testing {

// A test of goldens skips, saying so, where there are none.
class GoldenFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(shared_ / "golden"))
      GTEST_SKIP() << "no goldens at " << shared_ << ": set KPRUNE_SHARED";
  }

  // Prunes the real model with the samples of the goldens, and opens the golden of this name.
  void Prune(const Options& options, const std::string& golden_name) {
    const auto folder = OpenModelFolder((shared_ / "models/sst2").string(), options);
    ASSERT_TRUE(folder.ok()) << folder.status();
    const auto tokenizer = LoadTokenizer(shared_ / "models/sst2");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    const std::vector<std::filesystem::path> files = {shared_ / "data/sst2/samples-256.jsonl"};
    const auto samples = ReadSamples(
        files, tokenizer->get(), {.max_length = options.max_length, .vocab_size = folder->config.vocab_size});
    ASSERT_TRUE(samples.ok()) << samples.status();
    const auto encoder = LoadEncoder(*folder, ComputeDevice());
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    auto golden = OpenSafetensors(shared_ / "golden" / absl::StrCat(golden_name, ".safetensors"));
    ASSERT_TRUE(golden.ok()) << golden.status();
    golden_ = *std::move(golden);
    SilentObserver observer;
    const auto budget = MakeBudget(encoder->config, options.budgets().front(), options.sequence_length);
    auto result = PruneByMethod(*encoder, samples->samples, *budget, options, ExecutionPlan(),
                                /*checkpoint=*/nullptr, observer);
    ASSERT_TRUE(result.ok()) << result.status();
    pruned_ = std::move(result->encoder);
  }

  // Units of sublayer t that the golden keeps.
  std::set<int64_t> Kept(int t) const {
    std::set<int64_t> kept;
    const TensorView& mask = *golden_->Find(absl::StrCat("sublayer.", t, ".keep"));
    for (size_t u = 0; u < mask.bytes.size(); ++u) {
      if (mask.bytes[u] != std::byte{0}) kept.insert(static_cast<int64_t>(u));
    }
    return kept;
  }

  // Positions of the units that both keep, among ours and among the golden's.
  struct Common {
    Selection ours, theirs;
    double intersection_over_union = 0;
  };
  Common CommonUnits(int t) const {
    const std::set<int64_t> expected = Kept(t);
    const std::vector<int64_t>& units = pruned_.sublayers[t].units;
    Common common;
    for (size_t i = 0; i < units.size(); ++i) {
      const auto it = expected.find(units[i]);
      if (it == expected.end()) continue;
      common.ours.push_back(static_cast<int64_t>(i));
      common.theirs.push_back(std::distance(expected.begin(), it));
    }
    const size_t united = expected.size() + units.size() - common.ours.size();
    common.intersection_over_union = static_cast<double>(common.ours.size()) / static_cast<double>(united);
    return common;
  }

  const std::filesystem::path shared_ = KPRUNE_SHARED_DIR;
  std::unique_ptr<TensorSource> golden_;
  Encoder pruned_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_ENGINE_PRUNING_GOLDEN_H_
