#include "bench/bench_inputs.h"

#include "engine/data/draw.h"
#include "worker/inputs.h"

namespace kprune {

absl::StatusOr<BenchInputs> LoadBenchInputs(const std::string& model_folder, const std::string& data_file,
                                            const std::string& eval_file, const Options& options,
                                            double holdout, at::Device device) {
  absl::StatusOr<ModelInputs> model = OpenModel(model_folder, options);
  if (!model.ok()) return model.status();
  absl::StatusOr<SampleSet> data = ReadModelSamples(*model, {data_file}, options);
  if (!data.ok()) return data.status();
  absl::StatusOr<SampleDraw> draw =
      DrawSamples(static_cast<int64_t>(data->samples.size()), options.samples, holdout, options.seed);
  if (!draw.ok()) return draw.status();
  BenchInputs inputs;
  inputs.samples = Take(*data, draw->pruning);
  inputs.held_out = Take(*data, draw->judging);
  if (!eval_file.empty()) {
    absl::StatusOr<SampleSet> eval = ReadEvalSamples(*model, {eval_file}, options);
    if (!eval.ok()) return eval.status();
    inputs.eval = std::move(eval->samples);
  }
  absl::StatusOr<Encoder> encoder = LoadEncoder(model->folder, device);
  if (!encoder.ok()) return encoder.status();
  inputs.encoder = *std::move(encoder);
  return inputs;
}

}  // namespace kprune
