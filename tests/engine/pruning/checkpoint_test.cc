#include "engine/pruning/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "tests/engine/pruning/random_sublayer.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CheckpointIdentity IdentityOf(const std::string& model) {
  return {.job = {{"model", model}, {"options", {{"keep_flops", 0.1}, {"seed", 7}}}},
          .threads = 2,
          .precision = "fp32",
          .rounding = "heads:1,neurons:16",
          .memory_limit_bytes = int64_t{1} << 32};
}

std::string BytesOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Put(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class CheckpointTest : public ::testing::Test {
 protected:
  // Opens, or fails the test.
  std::unique_ptr<Checkpoint> Open(const CheckpointIdentity& identity = IdentityOf("bert")) const {
    auto checkpoint = Checkpoint::Open(folder_, identity);
    if (!checkpoint.ok()) throw std::runtime_error(checkpoint.status().ToString());
    return *std::move(checkpoint);
  }

  void Fill(int sublayers, uint32_t seed = 1) const {
    const auto checkpoint = Open();
    while (checkpoint->size() < sublayers) {
      ASSERT_TRUE(checkpoint->Append(RandomSublayer(checkpoint->size(), seed)).ok());
    }
  }

  std::set<std::string> Files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  // Everything in the checkpoint is what Fill(.., seed) puts there.
  static void ExpectHolds(const Checkpoint& checkpoint, int sublayers, uint32_t seed = 1) {
    ASSERT_EQ(checkpoint.size(), sublayers);
    for (int t = 0; t < sublayers; ++t) {
      const absl::StatusOr<SublayerCheckpoint> record = checkpoint.Read(t);
      ASSERT_TRUE(record.ok()) << record.status();
      EXPECT_TRUE(Same(*record, RandomSublayer(t, seed))) << "sublayer " << t;
    }
  }

  const TempDirectory directory_;
  const std::filesystem::path folder_ = directory_ / "job/checkpoint";
};

TEST_F(CheckpointTest, Examples) {
  {
    const auto checkpoint = Open();
    EXPECT_EQ(checkpoint->size(), 0);
    EXPECT_TRUE(checkpoint->Append(RandomSublayer(0, 1)).ok());
    EXPECT_TRUE(checkpoint->Append(RandomSublayer(1, 1)).ok());
  }
  const auto checkpoint = Open();  // a later run of the same job
  EXPECT_THAT(checkpoint->warnings(), IsEmpty());
  ASSERT_EQ(checkpoint->size(), 2);
  EXPECT_TRUE(Same(checkpoint->Read(1).value(), RandomSublayer(1, 1)));
  EXPECT_TRUE(checkpoint->Append(RandomSublayer(2, 1)).ok());
  EXPECT_TRUE(checkpoint->Remove().ok());
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(CheckpointTest, KeepsNotesOfTheSameJobBesideTheSublayers) {
  const nlohmann::json notes = {{{"loss", 0.1234567890123456789}}, nullptr};
  {
    const auto checkpoint = Open();
    EXPECT_TRUE(checkpoint->notes().is_null());
    EXPECT_TRUE(checkpoint->SetNotes({1}).ok());
    EXPECT_TRUE(checkpoint->SetNotes(notes).ok());
    EXPECT_TRUE(checkpoint->Append(RandomSublayer(0, 1)).ok());
  }
  {
    const auto checkpoint = Open();
    EXPECT_EQ(checkpoint->notes(), notes);
    EXPECT_THAT(checkpoint->warnings(), IsEmpty());
    EXPECT_EQ(checkpoint->size(), 1);
  }
  const std::string bytes = BytesOf(folder_ / "notes.json");
  EXPECT_TRUE(Open(IdentityOf("another"))->notes().is_null());
  Put(folder_ / "notes.json", bytes);
  const auto other = Open(IdentityOf("another"));
  EXPECT_TRUE(other->notes().is_null()) << "notes of one job are none of another's";
  EXPECT_THAT(other->warnings(), ElementsAre(HasSubstr("notes.json does not fit its digest")));
  EXPECT_TRUE(other->SetNotes(notes).ok());
  EXPECT_TRUE(other->Remove().ok());
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(CheckpointTest, DamagedNotesAreDroppedAndNothingElse) {
  Fill(2);
  ASSERT_TRUE(Open()->SetNotes({{"mu", 8}}).ok());
  const std::string bytes = BytesOf(folder_ / "notes.json");
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] ^= 2;
    Put(folder_ / "notes.json", damaged);
    const auto checkpoint = Open();
    EXPECT_TRUE(checkpoint->notes().is_null() || checkpoint->notes() == nlohmann::json({{"mu", 8}})) << i;
    EXPECT_EQ(checkpoint->notes().is_null(), checkpoint->warnings().size() == 1) << i;
    ExpectHolds(*checkpoint, 2);
  }
}

TEST_F(CheckpointTest, HandsTheRecordedPlanBackToBeReplayed) {
  Fill(1);
  CheckpointIdentity later = IdentityOf("bert");
  later.threads = 64;
  later.precision = "bf16";
  later.rounding = "heads:1,neurons:1";
  later.memory_limit_bytes = 0;
  const auto checkpoint = Open(later);
  EXPECT_EQ(checkpoint->identity().threads, 2);
  EXPECT_EQ(checkpoint->identity().precision, "fp32");
  EXPECT_EQ(checkpoint->identity().rounding, "heads:1,neurons:16");
  EXPECT_EQ(checkpoint->identity().memory_limit_bytes, int64_t{1} << 32);
  EXPECT_EQ(checkpoint->identity().job, later.job);
  ExpectHolds(*checkpoint, 1);
  EXPECT_THAT(checkpoint->warnings(), IsEmpty());
}

TEST_F(CheckpointTest, TakesThePlanThatIsGivenWhereNothingIsRecorded) {
  EXPECT_EQ(Open()->identity().threads, 2);
  EXPECT_EQ(Open()->identity().precision, "fp32");
}

TEST_F(CheckpointTest, StartsOverForAnotherJobAndSaysWhatDiffers) {
  Fill(3);
  CheckpointIdentity other = IdentityOf("bert");
  other.job["options"]["keep_flops"] = 0.25;
  other.threads = 4;
  {
    const auto checkpoint = Open(other);
    EXPECT_EQ(checkpoint->size(), 0);
    EXPECT_EQ(checkpoint->identity().threads, 4);
    EXPECT_THAT(checkpoint->warnings(),
                ElementsAre("the checkpoint in " + folder_.string() +
                            " is of another job and this one starts over: \"/options/keep_flops\" was 0.1 "
                            "and is 0.25"));
    EXPECT_THAT(Files(), ElementsAre("identity.json"));
  }
  EXPECT_THAT(Open(other)->warnings(), IsEmpty());
  other.job["device"] = "cuda:0";
  EXPECT_THAT(Open(other)->warnings(), ElementsAre(HasSubstr("\"/device\" was absent and is \"cuda:0\"")));
}

TEST_F(CheckpointTest, KnowsItsJobWhateverNumbersAndNamesItHas) {
  CheckpointIdentity identity = IdentityOf("na\xC3\xAFve \"model\"\n");
  identity.job["lambda"] = 2.5e-4 / 3;
  identity.job["large"] = std::numeric_limits<uint64_t>::max();
  identity.job["nan"] = std::numeric_limits<double>::quiet_NaN();
  identity.job["nothing"] = nlohmann::json::array({nullptr, nlohmann::json::object(), -0.0, 1, 1.0});
  const auto first = Open(identity);
  ASSERT_TRUE(first->Append(RandomSublayer(0, 1)).ok());
  const auto second = Open(identity);
  EXPECT_EQ(second->size(), 1);
  EXPECT_THAT(second->warnings(), IsEmpty());
}

TEST_F(CheckpointTest, RefusesAJobThatIsNoObject) {
  EXPECT_EQ(Checkpoint::Open(folder_, {.job = 3}).status().message(),
            "the job of a checkpoint's identity is 3, not an object");
  EXPECT_EQ(Checkpoint::Open(folder_, IdentityOf("\xff")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(CheckpointTest, StartsOverWhereTheIdentityIsDamagedInAnyByte) {
  Fill(1);
  const std::string identity = BytesOf(folder_ / "identity.json");
  const std::string sublayer = BytesOf(folder_ / "sublayer-0000");
  for (size_t i = 0; i < identity.size(); ++i) {
    std::string damaged = identity;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    Put(folder_ / "identity.json", i % 2 == 0 ? damaged : identity.substr(0, i));
    Put(folder_ / "sublayer-0000", sublayer);
    const auto checkpoint = Open();
    ASSERT_EQ(checkpoint->size(), 0) << "byte " << i;
    ASSERT_THAT(checkpoint->warnings(), ElementsAre(HasSubstr("the job starts over"))) << "byte " << i;
    ASSERT_THAT(Files(), ElementsAre("identity.json"));
  }
}

TEST_F(CheckpointTest, StartsOverWhereTheIdentityIsMissing) {
  Fill(2);
  std::filesystem::remove(folder_ / "identity.json");
  const auto checkpoint = Open();
  EXPECT_EQ(checkpoint->size(), 0);
  EXPECT_THAT(checkpoint->warnings(), ElementsAre(HasSubstr("has no identity.json and the job starts over")));
}

TEST_F(CheckpointTest, DropsALastFileThatIsTornOrChangedAndGoesOn) {
  Fill(3);
  const std::string whole = BytesOf(folder_ / "sublayer-0002");
  for (size_t i = 0; i < whole.size(); i += 5) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    for (const std::string& damaged : {changed, whole.substr(0, i)}) {
      Put(folder_ / "sublayer-0002", damaged);
      const auto checkpoint = Open();
      ASSERT_EQ(checkpoint->size(), 2) << "byte " << i;
      ASSERT_THAT(checkpoint->warnings(),
                  ElementsAre(AllOf(HasSubstr("keeps its first 2 sublayers and drops 1"),
                                    HasSubstr("sublayer-0002 is damaged"))));
      ASSERT_FALSE(std::filesystem::exists(folder_ / "sublayer-0002"));
    }
  }
  Fill(4);
  ExpectHolds(*Open(), 4);
}

TEST_F(CheckpointTest, DropsEverythingAfterAFileThatIsMissingInTheMiddle) {
  Fill(5);
  std::filesystem::remove(folder_ / "sublayer-0002");
  const auto checkpoint = Open();
  ExpectHolds(*checkpoint, 2);
  EXPECT_THAT(checkpoint->warnings(), ElementsAre(HasSubstr("keeps its first 2 sublayers and drops 2")));
  EXPECT_THAT(Files(), ElementsAre("identity.json", "sublayer-0000", "sublayer-0001"));
}

TEST_F(CheckpointTest, NeverMixesTwoRunsOfOneJob) {
  Fill(4, /*seed=*/1);
  const std::string of_first_run = BytesOf(folder_ / "sublayer-0003");
  std::filesystem::remove(folder_ / "sublayer-0002");
  Fill(3, /*seed=*/2);  // 0 and 1 of the first run, 2 of the second
  Put(folder_ / "sublayer-0003", of_first_run);
  const auto checkpoint = Open();
  EXPECT_EQ(checkpoint->size(), 3);
  EXPECT_THAT(checkpoint->warnings(), ElementsAre(HasSubstr("it belongs to another run")));
}

TEST_F(CheckpointTest, NoticesThatAFileChangedWhileItWasOpen) {
  Fill(2);
  const auto checkpoint = Open();
  std::string bytes = BytesOf(folder_ / "sublayer-0001");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Put(folder_ / "sublayer-0001", bytes);
  EXPECT_EQ(checkpoint->Read(1).status().code(), absl::StatusCode::kDataLoss);
  std::filesystem::remove(folder_ / "sublayer-0000");
  EXPECT_EQ(checkpoint->Read(0).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(checkpoint->Read(2).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(checkpoint->Read(-1).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(CheckpointTest, TakesSublayersInTheirOrderOnly) {
  const auto checkpoint = Open();
  EXPECT_EQ(checkpoint->Append(RandomSublayer(1, 1)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(checkpoint->Append(RandomSublayer(0, 1)).ok());
  EXPECT_EQ(checkpoint->Append(RandomSublayer(0, 1)).code(), absl::StatusCode::kInvalidArgument);
  ExpectHolds(*checkpoint, 1);
}

TEST_F(CheckpointTest, DeletesUnfinishedFilesButNoStrangers) {
  Fill(1);
  Put(folder_ / "sublayer-0001.123-4.tmp", "torn");
  Put(folder_ / "identity.json.123-4.tmp", "torn");
  Put(folder_ / "notes.txt", "a person's");
  const auto checkpoint = Open();
  EXPECT_THAT(checkpoint->warnings(), IsEmpty());
  EXPECT_THAT(Files(), ElementsAre("identity.json", "notes.txt", "sublayer-0000"));
  EXPECT_TRUE(checkpoint->Remove().ok());
  EXPECT_THAT(Files(), ElementsAre("notes.txt"));
}

TEST_F(CheckpointTest, NamesAFolderThatCannotBeMade) {
  Put(directory_ / "job", "a file where the folder should be");
  const absl::Status status = Checkpoint::Open(folder_, IdentityOf("bert")).status();
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("cannot create the checkpoint " + folder_.string()), HasSubstr("Not a directory")));
}

using CheckpointDeathTest = CheckpointTest;

TEST_F(CheckpointDeathTest, IsAsItWasAfterAFileThatCouldNotBeWritten) {
  Fill(2);
  const auto append_under_a_limit = [&] {
    const auto checkpoint = Open();
    const rlimit limited{100, RLIM_INFINITY}, free{RLIM_INFINITY, RLIM_INFINITY};  // bytes a file
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limited) != 0) _exit(1);
    const absl::Status status = checkpoint->Append(RandomSublayer(2, 1));
    if (setrlimit(RLIMIT_FSIZE, &free) != 0) _exit(1);  // standard error may be a file
    std::cerr << status << " size " << checkpoint->size();
    _exit(0);
  };
  EXPECT_EXIT(append_under_a_limit(), ExitedWithCode(0), "sublayer-0002.*: File too large.* size 2");
  EXPECT_THAT(Files(), ElementsAre("identity.json", "sublayer-0000", "sublayer-0001"));
  ExpectHolds(*Open(), 2);
}

// A child process that opens the checkpoint of `job` and appends until it is killed, or done. It writes one
// byte to `progress` before it opens, and one after each sublayer that is durable.
pid_t StartAppending(const std::filesystem::path& folder, const std::string& job,
                     const std::vector<SublayerCheckpoint>& records, int progress) {
  const pid_t child = fork();
  if (child != 0) return child;
  const auto tell = [progress] {
    if (write(progress, ".", 1) != 1) _exit(1);
  };
  tell();
  const auto checkpoint = Checkpoint::Open(folder, IdentityOf(job));
  if (!checkpoint.ok()) _exit(1);
  while ((*checkpoint)->size() < static_cast<int>(records.size())) {
    if (!(*checkpoint)->Append(records[(*checkpoint)->size()]).ok()) _exit(1);
    tell();
  }
  pause();
  _exit(0);
}

TEST_F(CheckpointTest, OpensWithAPrefixAfterAKillAtAnyMoment) {
  std::mt19937 random(4);
  std::map<std::string, std::vector<SublayerCheckpoint>> jobs;
  for (int t = 0; t < 8; ++t) {
    jobs["bert"].push_back(RandomSublayer(t, 1));
    jobs["distilbert"].push_back(RandomSublayer(t, 2));
  }
  std::string last_job;
  std::set<int> sizes;
  int size = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string job = random() % 4 == 0 ? "distilbert" : "bert";
    if (job != last_job || size == 8) size = 0;
    if (size == 0 && job == last_job) {
      ASSERT_TRUE(Open(IdentityOf(job))->Remove().ok());
    }
    int progress[2];
    ASSERT_EQ(pipe(progress), 0);
    const pid_t child = StartAppending(folder_, job, jobs[job], progress[1]);
    ASSERT_GT(child, 0);
    close(progress[1]);
    // Some steps on its way, and then a moment that nobody chose.
    const int steps = 1 + static_cast<int>(random() % (8 - size));
    char byte;
    for (int i = 0; i < steps; ++i) ASSERT_EQ(read(progress[0], &byte, 1), 1) << "the child failed";
    const timespec moment{0, static_cast<long>(random() % 2'000'000)};
    nanosleep(&moment, nullptr);
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed";
    int told = steps;
    while (read(progress[0], &byte, 1) == 1) ++told;
    close(progress[0]);

    const auto checkpoint = Open(IdentityOf(job));
    // Sublayers that were told of are there; one more may have become durable untold.
    const int durable = size + told - 1;
    ASSERT_GE(checkpoint->size(), durable) << "round " << round;
    ASSERT_LE(checkpoint->size(), durable + 1) << "round " << round;
    ExpectHolds(*checkpoint, checkpoint->size(), job == "bert" ? 1 : 2);
    for (const std::string& warning : checkpoint->warnings()) {
      EXPECT_THAT(warning, HasSubstr("is of another job"));  // killed before it had started over
    }
    size = checkpoint->size();
    sizes.insert(size);
    last_job = job;
  }
  EXPECT_GT(sizes.size(), 4u);  // the kills did come at different moments
}

}  // namespace
}  // namespace kprune
