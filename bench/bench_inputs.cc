#include "bench/bench_inputs.h"

#include "worker/inputs.h"

namespace kprune {

absl::StatusOr<BenchInputs> LoadBenchInputs(const std::string& model_folder, const std::string& data_file,
                                            const std::string& eval_file, const Options& options,
                                            double holdout, at::Device device) {
  absl::StatusOr<ModelInputs> model = OpenModel(model_folder, options);
  if (!model.ok()) return model.status();
  Options reading = options;
  reading.holdout = holdout;
  absl::StatusOr<DrawnSamples> data = DrawModelSamples(*model, {data_file}, reading);
  if (!data.ok()) return data.status();
  BenchInputs inputs;
  inputs.samples = std::move(data->pruning);
  inputs.held_out = std::move(data->judging.samples);
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
