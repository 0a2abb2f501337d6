#include "server/jobs/worker_outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "kprune/worker_protocol.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

class WorkerOutcomeTest : public ::testing::Test {
 protected:
  absl::Status ErrorOf(const std::string& bytes) {
    std::ofstream(folder_ / kErrorFile, std::ios::binary) << bytes;
    return ReadWorkerError(folder_.path());
  }

  const TempDirectory folder_;
};

TEST_F(WorkerOutcomeTest, Examples) {
  EXPECT_EQ(ErrorOf(R"({"code": "INVALID_ARGUMENT", "message": "tensor x has NaN"})"),
            absl::InvalidArgumentError("tensor x has NaN"));
  EXPECT_EQ(ErrorOf(R"({"code": "NO_SUCH_CODE", "message": "why"})"), absl::InternalError("why"));
}

TEST_F(WorkerOutcomeTest, AnErrorThatSaysNothingIsInternal) {
  const absl::Status nothing = absl::InternalError("The worker failed and left no error.json that says why.");
  EXPECT_EQ(ReadWorkerError(folder_.path()), nothing);
  for (const std::string& bytes :
       {std::string(), std::string("[]"), std::string(R"({"code": 3, "message": "why"})"),
        std::string(R"({"code": "ABORTED", "message": ""})"),
        std::string(R"({"code": "ABORTED", "message": "\u0007\u001b"})"), std::string(65 << 10, ' '),
        std::string(60'000, '[')}) {
    EXPECT_EQ(ErrorOf(bytes), nothing) << bytes.substr(0, 100);
  }
}

TEST_F(WorkerOutcomeTest, AMessageIsTextForATerminal) {
  EXPECT_EQ(ErrorOf(R"({"code": "OK", "message": "\u001b[31mred\u0000\nline"})"),
            absl::InternalError("[31mred\nline"));
  std::string umlauts;
  for (int i = 0; i < 4000; ++i) umlauts += "ü";
  EXPECT_LT(ErrorOf("{\"code\": \"ABORTED\", \"message\": \"x" + umlauts + "\"}").message().size(), 4100u);
}

}  // namespace
}  // namespace kprune
