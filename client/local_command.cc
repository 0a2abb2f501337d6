#include "client/local_command.h"

#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "client/local_job.h"
#include "client/local_worker.h"

namespace kprune::client {

absl::Status RunWorkerIn(const std::filesystem::path& directory, const LocalJobSpec& spec, ProgressMode mode,
                         Session& session, const std::function<absl::Status()>& finish) {
  const absl::StatusOr<std::filesystem::path> worker = FindWorker();
  if (!worker.ok()) return worker.status();
  if (absl::Status written = WriteJob(spec, directory); !written.ok()) return written;
  const std::unique_ptr<ProgressDisplay> display = MakeProgressDisplay(mode, session.screen, session.err);
  std::vector<std::string> command = {worker->string()};
  if (!spec.signing_key.empty()) command.insert(command.end(), {"--signing-key", spec.signing_key});
  const absl::Status outcome = RunLocalJob(
      command, directory, session.interrupt, [&](const kprune::v1::Event& event) { display->OnEvent(event); },
      finish);
  display->Close();
  return outcome;
}

absl::StatusOr<std::string> RunWorkerForFile(const LocalJobSpec& spec, ProgressMode mode, Session& session,
                                             const std::string& result_file) {
  const absl::StatusOr<JobDirectory> directory = JobDirectory::CreateTemporary();
  if (!directory.ok()) return directory.status();
  absl::StatusOr<std::string> text;
  const absl::Status outcome = RunWorkerIn(directory->path(), spec, mode, session, [&] {
    text = ReadTextFile(directory->result() / result_file);
    return text.status();
  });
  if (!outcome.ok()) return outcome;
  return text;
}

absl::StatusOr<nlohmann::json> RunWorkerForJson(const LocalJobSpec& spec, ProgressMode mode, Session& session,
                                                const std::string& result_file) {
  const absl::StatusOr<std::string> text = RunWorkerForFile(spec, mode, session, result_file);
  if (!text.ok()) return text.status();
  auto result = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (result.is_discarded())
    return absl::InternalError(absl::StrCat("kprune-worker wrote a ", result_file, " that is not JSON"));
  return result;
}

absl::StatusOr<std::string> ReadTextFile(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return absl::NotFoundError(absl::StrCat("cannot read ", path.string()));
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace kprune::client
