#include "worker/judged_model.h"

#include "engine/cost/flops.h"
#include "engine/evaluation/outputs.h"
#include "worker/devices.h"

namespace kprune {

absl::StatusOr<JudgedModel> JudgeModel(const std::filesystem::path& folder, const WorkerJob& job) {
  absl::StatusOr<at::Device> device = ResolveDevice(job.options.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<ModelInputs> model = OpenModel(folder, job.options);
  if (!model.ok()) return model.status();
  absl::StatusOr<SampleSet> samples = ReadModelSamples(*model, job.data, job.options);
  if (!samples.ok()) return samples.status();
  absl::StatusOr<Encoder> encoder = LoadEncoder(model->folder, *device);
  if (!encoder.ok()) return encoder.status();
  JudgedModel judged{.encoder = *std::move(encoder),
                     .samples = *std::move(samples),
                     .outputs = {},
                     .metric = {},
                     .facts = FactsOf(model->folder)};
  const size_t fit = WithinJudgedOutputs(judged.encoder.config, judged.samples.samples).size();
  judged.left_out = static_cast<int64_t>(judged.samples.samples.size() - fit);
  judged.samples.samples.resize(fit);
  judged.outputs = RunSamples(judged.encoder, judged.samples.samples);
  if (judged.samples.labelled) {
    const ModelConfig& config = judged.encoder.config;
    judged.metric = EvaluateMetric(config.task, judged.outputs, judged.samples.samples, config.label_names());
  }
  judged.sequence_length = SequenceLength(job.options, judged.samples.samples);
  judged.flops = EncoderFlops(judged.encoder.config, judged.sequence_length);
  return judged;
}

}  // namespace kprune
