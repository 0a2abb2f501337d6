#include "worker/job_checkpoint.h"

#include <system_error>

#include "absl/strings/str_cat.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

absl::Status RemoveAll(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot delete the checkpoint ", path.string()));
}

// The folders of models: none of them is of this job.
absl::Status RemoveModels(const fs::path& folder) {
  std::vector<fs::path> models;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (IsBudgetFolder(entry->path().filename().string())) models.push_back(entry->path());
  }
  if (error)
    return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot list the checkpoint ", folder.string()));
  for (const fs::path& model : models) {
    if (absl::Status status = RemoveAll(model); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobCheckpoint>> JobCheckpoint::Open(const fs::path& folder,
                                                                   const CheckpointIdentity& identity,
                                                                   bool several_models) {
  absl::StatusOr<std::unique_ptr<Checkpoint>> job = Checkpoint::Open(folder, identity);
  if (!job.ok()) return job.status();
  std::unique_ptr<JobCheckpoint> checkpoint(new JobCheckpoint(folder, *std::move(job), several_models));
  checkpoint->warnings_ = checkpoint->job_->warnings();
  if (!several_models || !checkpoint->warnings_.empty()) {
    if (absl::Status status = RemoveModels(folder); !status.ok()) return status;
  }
  return checkpoint;
}

absl::StatusOr<Checkpoint*> JobCheckpoint::Of(double keep) {
  if (!several_models_) return job_.get();
  const std::string name = BudgetFolder(keep);
  std::unique_ptr<Checkpoint>& model = models_[name];
  if (model != nullptr) return model.get();
  absl::StatusOr<std::unique_ptr<Checkpoint>> opened = Checkpoint::Open(folder_ / name, identity());
  if (!opened.ok()) return opened.status();
  model = *std::move(opened);
  warnings_.insert(warnings_.end(), model->warnings().begin(), model->warnings().end());
  return model.get();
}

fs::path JobCheckpoint::ModelFolder(double keep) const { return folder_ / BudgetFolder(keep) / "model"; }

absl::Status JobCheckpoint::Remove() { return several_models_ ? RemoveAll(folder_) : job_->Remove(); }

}  // namespace kprune
