// A stand-in for kprune-worker: speaks its protocol (include/kprune/worker_protocol.h) without torch.
//
//   fake_worker --job-dir DIR --progress-fd N [--device D]
//   fake_worker --probe
//
// Kinds "prune" and "preflight". How it behaves is told by the object "fake" in the model's config.json:
//   sublayers 4          events to send, from the bottom up
//   step_ms 0            pause before each
//   wait_for "PATH"      wait for this file before the first
//   wait_at K            ... before sublayer K instead
//   warn_waiting true    send a warning "waiting" when it begins to wait
//   touch "PATH"         create this file when it starts to prune
//   fail "CODE: text"    fail so (error.json) after the first sublayer
//   preflight_fail "CODE: text"   fail the preflight so
//   preflight_hang true  never end the preflight
//   preflight_touch "PATH", preflight_wait_for "PATH"   as touch and wait_for, for the preflight
//   crash_at K           abort at sublayer K
//   crash_attempts N     ... only in a directory named attempt-M with M <= N
//   hang true            never end after the last sublayer
//   ignore_sigterm true  go on after SIGTERM
//   warning "text"       send this warning before the first sublayer
//   warnings N           send so many warnings of 4 KiB before the first sublayer
//   garbage_lines true   send malformed, oversized and forbidden progress lines between the good ones
//   models ["NAME", ...] put a model into each of these folders of the result instead of one into itself
//   memory_bytes N       take so much memory before the first
//   scratch_bytes N      write so large a file to scratch/ before the first
//   extra_file "NAME"    put one more file into the result
//   no_result true       succeed without a result
//   complain "text"      a line for standard error
//
// It ends early, checkpoints and resumes as the protocol says: scratch/checkpoint/sublayers.jsonl holds the
// events of the finished sublayers. The fields "finished" and "computed" of report.json say how many there
// are, and how many of them it did not take from there.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"

namespace {

using nlohmann::json;
namespace fs = std::filesystem;
namespace kp = kprune;

volatile sig_atomic_t terminated = 0;

struct Job {
  fs::path directory;
  int progress_fd = -1;
  json body;    // job.json
  json config;  // the model's config.json
  json fake;    // its "fake"

  template <typename T>
  T Get(const char* key, T fallback) const {
    return fake.value(key, fallback);
  }
};

json ReadJson(const fs::path& file) {
  std::ifstream in(file);
  json value = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) {
    std::cerr << file << " is no JSON object\n";
    std::exit(kp::kWorkerUsage);
  }
  return value;
}

void WriteFile(const fs::path& file, const std::string& bytes) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << bytes;
}

[[noreturn]] void Fail(const Job& job, const std::string& error) {
  const size_t colon = error.find(": ");
  WriteFile(job.directory / kp::kErrorFile,
            json{{"code", error.substr(0, colon)}, {"message", error.substr(colon + 2)}}.dump());
  std::exit(kp::kWorkerFailed);
}

// Waits up to `ms`, and ends the process when asked to, or when nobody reads the progress.
void Pause(const Job& job, int ms) {
  pollfd progress = {job.progress_fd, 0, 0};
  const int ready = poll(&progress, 1, ms);
  if (ready > 0 && (progress.revents & (POLLERR | POLLHUP | POLLNVAL))) std::exit(kp::kWorkerCancelled);
  if (terminated && !job.Get("ignore_sigterm", false)) std::exit(kp::kWorkerCancelled);
}

void Send(const Job& job, const std::string& line) {
  const std::string text = line + "\n";
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(job.progress_fd, text.data() + sent, text.size() - sent);
    if (n < 0 && errno != EINTR) std::exit(kp::kWorkerCancelled);
    if (n > 0) sent += static_cast<size_t>(n);
  }
}

void SendStage(const Job& job, const char* stage, double fraction) {
  Send(job, json{{"stage", {{"stage", stage}, {"fraction", fraction}}}}.dump());
}

std::string SublayerEvent(int index, int total) {
  const bool attention = index % 2 == 0;
  json sublayer = {{"index", index},
                   {"total", total},
                   {"layer", index / 2},
                   {"kind", attention ? "ATTENTION" : "FEED_FORWARD"},
                   {"units", attention ? 12 : 1536},
                   {"kept", attention ? 6 : 768},
                   {"budget_left_flops", 1e9 * (total - 1 - index) / total},
                   // As with a clock, no two processes take exactly as long.
                   {"seconds", {{"measure", 0.25}, {"search", 0.01 + 1e-9 * getpid()}, {"tune", 0.5}}},
                   {"solver", "cholesky"},
                   {"reconstruction_error", 0.125}};
  return json{{"sublayer", sublayer}}.dump();
}

// The events in the checkpoint.
std::vector<std::string> ReadCheckpoint(const fs::path& checkpoint) {
  std::vector<std::string> events;
  std::ifstream in(checkpoint / "sublayers.jsonl");
  for (std::string line; std::getline(in, line);) events.push_back(line);
  return events;
}

void WriteCheckpoint(const fs::path& checkpoint, const std::vector<std::string>& events) {
  std::string text;
  for (const std::string& event : events) text += event + "\n";
  WriteFile(checkpoint / "unfinished", text);
  fs::rename(checkpoint / "unfinished", checkpoint / "sublayers.jsonl");
}

void SendGarbage(const Job& job) {
  Send(job, "this is not JSON");
  Send(job, "[1, 2, 3]");
  Send(job, R"({"state_changed": {"state": "SUCCEEDED"}})");
  Send(job, R"({"stage": {"stage": "MEASURE", "fraction": "much"}})");
  Send(job, R"({"sublayer": {"index": 0}, "warning": {"message": "two at once"}})");
  Send(job, R"({"warning": {"message": ")" + std::string(200000, 'x') + R"("}})");
  Send(job, "\xff\xfe{}");
  Send(job, "");
}

bool CrashesHere(const Job& job, int index) {
  if (job.Get("crash_at", -1) != index) return false;
  const std::string folder = job.directory.filename().string();
  const int attempt = folder.starts_with("attempt-") ? std::atoi(folder.c_str() + 8) : 1;
  return attempt <= job.Get("crash_attempts", 1 << 30);
}

// One tensor of two floats: a valid file.
std::string TinySafetensors() {
  const std::string header = R"({"weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const uint64_t size = header.size();
  const float values[2] = {1.0f, -1.0f};
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + header + std::string(reinterpret_cast<const char*>(values), sizeof values);
}

void WriteResult(const Job& job, int finished, int computed) {
  const fs::path unfinished = job.directory / kp::kScratchDirectory / "result";
  json config = job.config;
  config.erase("fake");
  const std::string report =
      json{{"schema_version", 1},
           {"method", "kprune"},
           {"finished", finished},
           {"computed", computed},
           {"flops", {{"original", 2e9}, {"kept", 1e9}, {"ratio", 0.5}, {"budget", 1e9}}},
           {"parameters", {{"original", 200}, {"kept", 100}}},
           {"agreement", {{"n", 100}, {"top1", 0.96}, {"kl", 0.01}}},
           {"options", job.body.value("options", json::object())}}
          .dump(2);
  // What compares several models has no figures of its own.
  WriteFile(unfinished / kp::kReportFile, json{{"schema_version", 1}, {"models", json::array()}}.dump(2));
  for (const std::string& model : job.Get("models", std::vector<std::string>{"."})) {
    WriteFile(unfinished / model / "config.json", config.dump(2));
    WriteFile(unfinished / model / "model.safetensors", TinySafetensors());
    WriteFile(unfinished / model / kp::kReportFile, report);
  }
  const std::string extra = job.Get("extra_file", std::string());
  if (!extra.empty()) WriteFile(unfinished / extra, "extra");
  fs::rename(unfinished, job.directory / kp::kResultDirectory);
  fs::remove_all(job.directory / kp::kScratchDirectory / kp::kCheckpointDirectory);
}

void Touch(const std::string& file) {
  if (!file.empty()) WriteFile(file, std::to_string(getpid()));
}

bool EndsEarly(const Job& job) { return fs::exists(job.directory / kp::kEndEarlyFile); }

// A wait within a sublayer that is to be the last ends.
void Await(const Job& job, const std::string& file) {
  while (!file.empty() && !fs::exists(file) && !EndsEarly(job)) Pause(job, 5);
}

int Prune(const Job& job) {
  Touch(job.Get("touch", std::string()));
  const std::string memory(job.Get("memory_bytes", size_t{0}), 'm');
  const std::string scratch(job.Get("scratch_bytes", size_t{0}), 's');
  if (!scratch.empty()) WriteFile(job.directory / kp::kScratchDirectory / "large", scratch);
  SendStage(job, "LOAD", 0);
  const std::string error = job.Get("fail", std::string());
  const int total = job.Get("sublayers", 4);
  const fs::path checkpoint = job.directory / kp::kScratchDirectory / kp::kCheckpointDirectory;
  std::vector<std::string> done = ReadCheckpoint(checkpoint);
  const int restored = static_cast<int>(done.size());
  for (const std::string& event : done) Send(job, event);
  const std::string warning = job.Get("warning", std::string());
  if (!warning.empty()) Send(job, json{{"warning", {{"message", warning}}}}.dump());
  for (int i = job.Get("warnings", 0); i > 0; --i) {
    Send(job, json{{"warning", {{"message", std::string(4096, 'w')}}}}.dump());
  }
  for (int index = restored; index < total; ++index) {
    if (EndsEarly(job) && !done.empty()) break;
    if (index == job.Get("wait_at", 0)) {
      if (job.Get("warn_waiting", false)) Send(job, R"({"warning": {"message": "waiting"}})");
      Await(job, job.Get("wait_for", std::string()));
    }
    if (EndsEarly(job) && done.empty()) return kp::kWorkerCancelled;
    Pause(job, job.Get("step_ms", 0));
    if (job.Get("garbage_lines", false)) SendGarbage(job);
    if (CrashesHere(job, index)) std::abort();
    done.push_back(SublayerEvent(index, total));
    WriteCheckpoint(checkpoint, done);
    Send(job, done.back());
    SendStage(job, "MEASURE", static_cast<double>(index + 1) / (total + 1));
    if (!error.empty()) Fail(job, error);
  }
  while (job.Get("hang", false)) Pause(job, 1000);
  if (!job.Get("no_result", false))
    WriteResult(job, static_cast<int>(done.size()), static_cast<int>(done.size()) - restored);
  SendStage(job, "EXPORT", 1);
  return kp::kWorkerSucceeded;
}

int Preflight(const Job& job) {
  Touch(job.Get("preflight_touch", std::string()));
  Await(job, job.Get("preflight_wait_for", std::string()));
  const std::string error = job.Get("preflight_fail", std::string());
  if (!error.empty()) Fail(job, error);
  while (job.Get("preflight_hang", false)) Pause(job, 1000);
  WriteFile(job.directory / kp::kResultDirectory / kp::kPreflightFile,
            json{{"family", "bert"},
                 {"task", "text-classification"},
                 {"layers", job.Get("sublayers", 4) / 2},
                 {"samples", "8"},
                 {"tokens", "64"},
                 {"sequence_length", 8.0},
                 {"original_flops", 2e9},
                 {"budget_flops", 1e9},
                 {"peak_memory_bytes", "1000000"},
                 {"seconds", 1.5},
                 {"speedup", 1.9}}
                .dump());
  return kp::kWorkerSucceeded;
}

int Run(const fs::path& directory, int progress_fd) {
  Job job;
  job.directory = directory;
  job.progress_fd = progress_fd;
  job.body = ReadJson(directory / kp::kJobFile);
  job.config = ReadJson(directory / job.body.value("model", "model") / "config.json");
  job.fake = job.config.value("fake", json::object());
  const std::string complaint = job.Get("complain", std::string());
  if (!complaint.empty()) std::cerr << complaint << std::endl;
  const std::string kind = job.body.value("kind", "");
  if (kind == "prune") return Prune(job);
  if (kind == "preflight") return Preflight(job);
  std::cerr << "fake_worker does not know kind \"" << kind << "\"\n";
  return kp::kWorkerUsage;
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction on_term = {};
  on_term.sa_handler = [](int) { terminated = 1; };
  sigaction(SIGTERM, &on_term, nullptr);
  signal(SIGPIPE, SIG_IGN);
  std::string directory;
  int progress_fd = -1;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--probe") {
      std::cout << R"([{"id": "cpu", "name": "fake processor", "memory_bytes": 1073741824}])"
                << "\n";
      return kp::kWorkerSucceeded;
    }
    if (flag == "--job-dir") directory = value;
    if (flag == "--progress-fd") progress_fd = std::atoi(value.c_str());
  }
  if (directory.empty() || progress_fd < 0) {
    std::cerr << "usage: fake_worker --job-dir DIR --progress-fd N [--device D] | --probe\n";
    return kp::kWorkerUsage;
  }
  return Run(directory, progress_fd);
}
