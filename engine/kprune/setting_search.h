// Choosing lambda_rep and mu without labels: every setting of a small grid prunes with some of the samples,
// and what comes out is compared with the original on the others.
//
// Settings share what they have in common. Knowledge does not depend on them, so the first sublayer is
// measured once; further up, settings part where their masks first differ (a tree, walked depth first), and
// settings whose masks never differ are one run. To go back to where settings part, the hidden states move
// through the sublayers settled below, as where a run is resumed: no more memory than one run takes.
#ifndef KPRUNE_ENGINE_KPRUNE_SETTING_SEARCH_H_
#define KPRUNE_ENGINE_KPRUNE_SETTING_SEARCH_H_

#include <array>
#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/encoder.h"
#include "engine/pruning/pruning_state.h"
#include "engine/pruning/setting_choice.h"
#include "kprune/options.h"
#include "kprune/progress.h"

namespace kprune {

// What is tried: first every lambda_rep, with the mu that is given (the default where mu is to be chosen,
// too), and then the other mu, with the lambda_rep that did best. docs/kprune.md has what they gave.
inline constexpr std::array kLambdaRepGrid = {0.0, 2.5e-4, 1e-3, 1e-2, 1e-1};
inline constexpr std::array kMuGrid = {1.0, 4.0, 16.0};  // times the default

// A setting takes the place of the one that is there without it (the default lambda_rep, then the mu of the
// first round) only where its loss is smaller by this share: on so few samples, smaller differences say
// little.
inline constexpr double kChoosingMargin = 0.2;

// A quarter of the samples judges, at most kMostChoosingSamples; the others prune, and both are drawn by
// Options::seed. Fewer than kFewestToChooseWith samples in all are refused.
inline constexpr double kChoosingShare = 0.25;
inline constexpr double kMostChoosingSamples = 128;
inline constexpr size_t kFewestToChooseWith = 32;

// INVALID_ARGUMENT where `samples` are too few for what `options` leaves to be chosen.
absl::Status CheckEnoughToChoose(const Options& options, size_t samples);

// What choosing costs, in plain runs with all `samples`, at most: settings that share work cost less. 0 where
// nothing is to be chosen.
double CostOfChoosing(const Options& options, size_t samples);

// Chooses what options.auto_lambda_rep and auto_mu say, at least one of them, for pruning `model` to
// `budget`: the smallest loss on the samples that judge, if it is smaller by kChoosingMargin. The loss is the
// mean over them of KL(original || pruned), at temperature 1, or without classes of the squared error of the
// outputs.
//
// Every setting that was judged goes to `checkpoint` (may be null) and is not tried again by a run that goes
// on from there: the choice is that of an uninterrupted run. `observer` hears of stages, from 0 to the share
// CostOfChoosing / (1 + CostOfChoosing) of all the work, and of warnings, but of no sublayer. Errors:
// InvalidArgument for too few samples; Internal where no setting gives finite outputs; those of
// SublayerSteps and Checkpoint.
absl::StatusOr<SettingChoice> ChooseSetting(const Encoder& model, absl::Span<const Sample> samples,
                                            const FlopsBudget& budget, const Options& options,
                                            const ExecutionPlan& plan, Checkpoint* checkpoint,
                                            ProgressObserver& observer);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_SETTING_SEARCH_H_
