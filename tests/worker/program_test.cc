// kprune-worker itself, as a process: exit statuses, error.json, its progress pipe, --probe.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::Eventually;
using ::kprune::testing::Process;
using ::kprune::testing::TinyModel;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kProgram[] = KPRUNE_BIN_DIR "/kprune-worker";
const TinyModel kClassifier = {.task = "text-classification", .labels = 2};

// Many sublayers: after the first one there is a long way to go.
const TinyModel kDeep = {
    .task = "text-classification", .labels = 2, .hidden = 64, .layers = 16, .neurons = 256};

// A pipe whose write end a child inherits, and whose read end it does not.
class ProgressPipe {
 public:
  ProgressPipe() {
    EXPECT_EQ(pipe2(ends_, O_CLOEXEC | O_NONBLOCK), 0);
    fcntl(ends_[1], F_SETFD, 0);
    fcntl(ends_[1], F_SETFL, 0);
  }
  ~ProgressPipe() {
    CloseReader();
    CloseWriter();
  }

  std::string writer() const { return std::to_string(ends_[1]); }
  void CloseReader() { Close(ends_[0]); }
  void CloseWriter() { Close(ends_[1]); }  // of this process; the child keeps its own

  // What was read so far, now included.
  const std::string& Text() {
    char buffer[4096];
    for (ssize_t n; (n = read(ends_[0], buffer, sizeof(buffer))) > 0;)
      text_.append(buffer, static_cast<size_t>(n));
    return text_;
  }

 private:
  static void Close(int& descriptor) {
    if (descriptor >= 0) close(descriptor);
    descriptor = -1;
  }

  int ends_[2] = {-1, -1};
  std::string text_;
};

std::unique_ptr<Process> Start(const JobDirectory& job, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {kProgram};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::make_unique<Process>(command, job / "worker");
}

// Starts the job and waits until it has pruned one sublayer.
std::unique_ptr<Process> StartAndWaitForSublayer(const JobDirectory& job, ProgressPipe& pipe) {
  job.WriteJob("prune");
  std::unique_ptr<Process> worker = Start(job, {"--job-dir", job.path(), "--progress-fd", pipe.writer()});
  pipe.CloseWriter();
  EXPECT_TRUE(Eventually(
      [&] { return pipe.Text().find("\"sublayer\"") != std::string::npos || !worker->Running(); }));
  EXPECT_TRUE(worker->Running()) << worker->Errors();
  return worker;
}

TEST(WorkerProgramTest, Examples) {
  const JobDirectory job(kClassifier);
  job.WriteJob("prune");
  ProgressPipe pipe;
  const auto worker =
      Start(job, {"--job-dir", job.path(), "--progress-fd", pipe.writer(), "--device", "cpu"});
  pipe.CloseWriter();
  ASSERT_EQ(worker->Wait(), kWorkerSucceeded) << worker->Errors();
  EXPECT_TRUE(fs::exists(job / "result/model.safetensors"));
  EXPECT_TRUE(fs::exists(job / "result/report.json"));
  EXPECT_FALSE(fs::exists(job / kErrorFile));

  // One event a line: the four sublayers, and the whole job done at the end.
  std::istringstream lines(pipe.Text());
  int sublayers = 0;
  double fraction = 0;
  for (std::string line; std::getline(lines, line);) {
    const json event = json::parse(line);
    sublayers += event.contains("sublayer");
    if (event.contains("stage")) fraction = event["stage"]["fraction"];
  }
  EXPECT_EQ(sublayers, 4);
  EXPECT_EQ(fraction, 1.0);
}

TEST(WorkerProgramTest, AFailedJobSaysWhyInErrorJson) {
  const JobDirectory job({.task = "text-classification", .poisoned_tensor = "classifier.bias"});
  job.WriteJob("prune");
  const auto worker = Start(job, {"--job-dir", job.path()});
  ASSERT_EQ(worker->Wait(), kWorkerFailed);
  const json error = JobDirectory::ReadJson(job / kErrorFile);
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_THAT(error["message"], HasSubstr("tensor classifier.bias holds NaN"));
  EXPECT_THAT(worker->Errors(), HasSubstr("classifier.bias"));
  EXPECT_FALSE(job.has_result());
}

TEST(WorkerProgramTest, ABadJobFileFailsTheSameWay) {
  const JobDirectory job(kClassifier, 4);
  job.WriteJob("prune", {{"options", {{"keep_flops", 1.5}}}});
  ASSERT_EQ(Start(job, {"--job-dir", job.path()})->Wait(), kWorkerFailed);
  const json error = JobDirectory::ReadJson(job / kErrorFile);
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_THAT(error["message"], HasSubstr("keep_flops"));
}

TEST(WorkerProgramTest, MessagesNameFilesOfTheJobNotWhereItLies) {
  const JobDirectory job(kClassifier, 4);
  testing::WriteFile(job / "data/samples.jsonl", "{\"text\": 7}\n");
  job.WriteJob("prune", {{"data", {"data/samples.jsonl"}}});
  ASSERT_EQ(Start(job, {"--job-dir", job.path().string() + "/"})->Wait(), kWorkerFailed);
  const std::string message = JobDirectory::ReadJson(job / kErrorFile)["message"];
  EXPECT_THAT(message, HasSubstr("data/samples.jsonl"));
  EXPECT_THAT(message, ::testing::Not(HasSubstr(job.path().string())));
}

TEST(WorkerProgramTest, SigtermCancels) {
  const JobDirectory job(kDeep, 600);
  ProgressPipe pipe;
  const auto worker = StartAndWaitForSublayer(job, pipe);
  worker->Signal(SIGTERM);
  EXPECT_EQ(worker->Wait(), kWorkerCancelled) << worker->Errors();
  EXPECT_FALSE(job.has_result());
  EXPECT_FALSE(fs::exists(job / kErrorFile));
}

TEST(WorkerProgramTest, EndsWhenNobodyReadsItsProgress) {
  const JobDirectory job(kDeep, 600);
  ProgressPipe pipe;
  const auto worker = StartAndWaitForSublayer(job, pipe);
  pipe.CloseReader();
  EXPECT_EQ(worker->Wait(), kWorkerCancelled) << worker->Errors();
  EXPECT_FALSE(job.has_result());
  EXPECT_FALSE(fs::exists(job / kErrorFile));
}

// How many lines of the progress so far are sublayers.
int SublayersIn(const std::string& progress) {
  int count = 0;
  for (size_t at = 0; (at = progress.find("\"sublayer\"", at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(WorkerProgramTest, KilledAfterAnySublayerItGoesOnToTheSameBytes) {
  const TinyModel model = {
      .task = "text-classification", .labels = 2, .hidden = 64, .layers = 3, .neurons = 256};
  const JobDirectory job(model, 600);
  job.WriteJob("prune");
  ASSERT_EQ(Start(job, {"--job-dir", job.path()})->Wait(), kWorkerSucceeded);
  const std::string expected = testing::ReadFile(job / "result/model.safetensors");
  EXPECT_FALSE(fs::exists(job / "scratch/checkpoint")) << "removed with the result published";
  int resumed = 0;
  for (int k = 1; k < 6; ++k) {
    SCOPED_TRACE(k);
    fs::remove_all(job / "result");
    ProgressPipe pipe;
    auto worker = Start(job, {"--job-dir", job.path(), "--progress-fd", pipe.writer()});
    pipe.CloseWriter();
    ASSERT_TRUE(Eventually([&] { return SublayersIn(pipe.Text()) >= k || !worker->Running(); }));
    worker->Signal(SIGKILL);
    worker->Wait();
    if (job.has_result()) continue;  // it was faster than the signal
    ++resumed;
    EXPECT_TRUE(fs::exists(job / "scratch/checkpoint"));
    worker = Start(job, {"--job-dir", job.path()});
    ASSERT_EQ(worker->Wait(), kWorkerSucceeded) << worker->Errors();
    EXPECT_GE(job.Result("report.json")["plan"]["resumed_sublayers"], k);
    EXPECT_EQ(job.Result("report.json")["sublayers"].size(), 6u);
    EXPECT_TRUE(testing::ReadFile(job / "result/model.safetensors") == expected);
  }
  EXPECT_GE(resumed, 1);
}

TEST(WorkerProgramTest, ACheckpointOfAnotherJobIsNotTaken) {
  const JobDirectory job(kDeep, 600);
  ProgressPipe pipe;
  const auto worker = StartAndWaitForSublayer(job, pipe);
  worker->Signal(SIGKILL);
  worker->Wait();
  job.WriteJob("prune", {{"options", {{"keep_flops", 0.3}}}});
  ProgressPipe again;
  const auto other = Start(job, {"--job-dir", job.path(), "--progress-fd", again.writer()});
  again.CloseWriter();
  ASSERT_EQ(other->Wait(), kWorkerSucceeded) << other->Errors();
  EXPECT_THAT(again.Text(), HasSubstr("keep_flops"));
  EXPECT_EQ(job.Result("report.json")["plan"]["resumed_sublayers"], 0);
}

class PredictedMemoryTest : public ::testing::TestWithParam<std::string> {};

TEST_P(PredictedMemoryTest, IsThePeakOfARealJob) {
  const std::string& precision = GetParam();
  const fs::path shared = KPRUNE_SHARED_DIR;
  if (!fs::exists(shared / "models/sst2")) GTEST_SKIP() << "no model at " << shared << ": set KPRUNE_SHARED";
  const JobDirectory job(kClassifier, 4);
  const json changes = {{"model", shared / "models/sst2"},
                        {"data", {shared / "data/sst2/samples-256.jsonl"}},
                        {"options", {{"samples", 64}, {"precision", precision}}}};
  job.WriteJob("preflight", changes);
  ASSERT_EQ(Start(job, {"--job-dir", job.path()})->Wait(), kWorkerSucceeded);
  const double predicted = job.Result("preflight.json")["peak_memory_bytes"];
  fs::remove_all(job / "result");
  job.WriteJob("prune", changes);
  const auto worker = Start(job, {"--job-dir", job.path()});
  ASSERT_EQ(worker->Wait(), kWorkerSucceeded) << worker->Errors();
  const double peak = job.Result("report.json")["peak_memory_bytes"];
  EXPECT_NEAR(predicted / peak, 1, 0.2);
}

INSTANTIATE_TEST_SUITE_P(Precisions, PredictedMemoryTest, ::testing::Values("fp32", "bf16"),
                         [](const auto& info) { return info.param; });

TEST(WorkerProgramTest, UsageErrorsAreThree) {
  const JobDirectory job(kClassifier, 4);
  const std::vector<std::vector<std::string>> wrong = {{},
                                                       {"--no-such-flag"},
                                                       {"--job-dir", job / "none"},
                                                       {"--probe", "--job-dir", job.path()},
                                                       {"--job-dir", job.path(), "--progress-fd", "-2"}};
  for (const auto& arguments : wrong) {
    const auto worker = Start(job, arguments);
    EXPECT_EQ(worker->Wait(), kWorkerUsage);
    EXPECT_FALSE(worker->Errors().empty());
  }
  EXPECT_FALSE(fs::exists(job / kErrorFile));
}

TEST(WorkerProgramTest, ProbePrintsTheDevicesAsJson) {
  const JobDirectory job(kClassifier, 4);
  const auto worker = Start(job, {"--probe"});
  ASSERT_EQ(worker->Wait(), kWorkerSucceeded) << worker->Errors();
  const json devices = json::parse(worker->Output());
  ASSERT_TRUE(devices.is_array());
  EXPECT_EQ(devices.at(0)["id"], "cpu");
  for (const json& device : devices) {
    EXPECT_FALSE(device["name"].get<std::string>().empty());
    EXPECT_GT(device["memory_bytes"], int64_t{1} << 20);
  }
}

TEST(WorkerProgramTest, VersionAndHelpSucceed) {
  const JobDirectory job(kClassifier, 4);
  for (const char* flag : {"--version", "--help"}) {
    const auto worker = Start(job, {flag});
    EXPECT_EQ(worker->Wait(), kWorkerSucceeded);
    EXPECT_THAT(worker->Output(), HasSubstr(flag == std::string("--help") ? "--job-dir" : "kprune-worker"));
  }
}

double ProcessorSecondsOfChildren() {
  rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// The server gives a preflight ten seconds. Processor time, not the clock: a busy machine proves nothing.
TEST(WorkerProgramTest, APreflightOfThousandsOfLinesTakesUnderTenProcessorSeconds) {
  const JobDirectory job({.hidden = 256, .layers = 6, .neurons = 1024}, 5000);
  job.WriteJob("preflight");
  const double before = ProcessorSecondsOfChildren();
  const auto worker = Start(job, {"--job-dir", job.path()});
  ASSERT_EQ(worker->Wait(), kWorkerSucceeded) << worker->Errors();
  EXPECT_LT(ProcessorSecondsOfChildren() - before, 10);
  EXPECT_EQ(job.Result(kPreflightFile)["samples"], 4500);
}

}  // namespace
}  // namespace kprune
