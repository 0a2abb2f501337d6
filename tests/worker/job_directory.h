// A job directory with a tiny model in it, and an observer that remembers what it was told.
#ifndef KPRUNE_TESTS_WORKER_JOB_DIRECTORY_H_
#define KPRUNE_TESTS_WORKER_JOB_DIRECTORY_H_

#include <filesystem>
#include <string>
#include <vector>

#include "engine/formats/json.h"
#include "gtest/gtest.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/support/tiny_model.h"
#include "worker/job_file.h"
#include "worker/jobs.h"

namespace kprune {

// Says that the job is cancelled from the question `cancel_at` on (from 0); never where it is -1.
class RecordingObserver : public ProgressObserver {
 public:
  explicit RecordingObserver(int cancel_at = -1) : cancel_at_(cancel_at) {}

  void OnStage(Stage stage, double fraction) override {
    stages.push_back(stage);
    fractions.push_back(fraction);
  }
  void OnSublayer(const SublayerPruned& sublayer) override { sublayers.push_back(sublayer); }
  void OnWarning(const std::string& message) override { warnings.push_back(message); }
  bool cancelled() const override { return cancel_at_ >= 0 && questions_++ >= cancel_at_; }

  std::vector<Stage> stages;
  std::vector<double> fractions;
  std::vector<SublayerPruned> sublayers;
  std::vector<std::string> warnings;

 private:
  const int cancel_at_;
  mutable int questions_ = 0;
};

// Not thread-safe. The folder goes with its owner.
class JobDirectory {
 public:
  // Holds model/ and data/samples.jsonl with `lines` lines.
  explicit JobDirectory(const testing::TinyModel& model, int lines = 48) {
    testing::WriteTinyModel(path() / "model", model);
    std::filesystem::create_directory(path() / "data");
    testing::WriteTinySentences(path() / "data/samples.jsonl", lines, model);
  }

  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  bool has_result() const { return std::filesystem::exists(path() / kResultDirectory); }
  nlohmann::json Result(const std::string& name) const { return ReadJson(path() / kResultDirectory / name); }

  static nlohmann::json ReadJson(const std::filesystem::path& file) {
    absl::StatusOr<nlohmann::json> json = ReadJsonFile(file);
    EXPECT_TRUE(json.ok()) << json.status();
    return json.ok() ? *json : nlohmann::json();
  }

  // Writes job.json: the kind with the model and the samples, one thread, and then `changes` to any of it
  // (a JSON merge patch).
  void WriteJob(const std::string& kind, const nlohmann::json& changes = nlohmann::json::object()) const {
    nlohmann::json job = {{"kind", kind},
                          {"model", "model"},
                          {"data", {"data/samples.jsonl"}},
                          {"options", {{"threads", 1}, {"device", "cpu"}}}};
    job.merge_patch(changes);
    testing::WriteFile(path() / kJobFile, job.dump());
  }

  // Runs it as the worker does.
  absl::Status Run(const std::string& kind, const nlohmann::json& changes, ProgressObserver& observer) const {
    WriteJob(kind, changes);
    absl::StatusOr<WorkerJob> job = ReadJobFile(path());
    if (!job.ok()) return job.status();
    job->onnxruntime = onnxruntime;
    job->signing_key = signing_key;
    return RunJob(*job, observer);
  }
  absl::Status Run(const std::string& kind, const nlohmann::json& changes = nlohmann::json::object()) const {
    RecordingObserver observer;
    return Run(kind, changes, observer);
  }

  // The worker's --onnxruntime and --signing-key.
  std::string onnxruntime = KPRUNE_ONNXRUNTIME;
  std::filesystem::path signing_key = {};

 private:
  const testing::TemporaryFolder folder_;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_WORKER_JOB_DIRECTORY_H_
