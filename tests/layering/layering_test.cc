// Reads every source file and holds it to the arrows of the house (include_rules.h), to its size and to its
// name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/layering/include_rules.h"

namespace kprune::testing {
namespace {

using ::testing::IsEmpty;

constexpr int kMostLines = 400;

struct Source {
  std::string path;  // relative to the source tree
  std::vector<std::string> lines;
};

// Every .h and .cc below the given folders of the source tree.
std::vector<Source> SourcesBelow(const std::vector<std::string>& folders) {
  const std::filesystem::path root = KPRUNE_SOURCE_DIR;
  std::vector<Source> sources;
  for (const std::string& folder : folders) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::filesystem::path& path = entry.path();
      if (path.extension() != ".h" && path.extension() != ".cc") continue;
      Source source{path.lexically_relative(root).string(), {}};
      std::ifstream in(path);
      for (std::string line; std::getline(in, line);) source.lines.push_back(line);
      sources.push_back(std::move(source));
    }
  }
  return sources;
}

const std::vector<std::string> kRooms = {"include", "engine",      "cage",     "worker", "server",
                                         "client",  "credentials", "exporter", "bench"};

TEST(LayeringTest, Examples) {
  EXPECT_EQ(Violation("worker/main.cc", "engine/kprune/kprune.h"), "");
  EXPECT_EQ(Violation("engine/kprune/kprune.cc", "grpcpp/grpcpp.h"),
            "engine/kprune/kprune.cc includes grpcpp/grpcpp.h: engine/ sees no grpc");
  EXPECT_EQ(Violation("client/main.cc", "engine/kprune/kprune.h"),
            "client/main.cc includes engine/kprune/kprune.h: client/ may not know that room");
  EXPECT_EQ(IncludeOf("#include <ATen/ATen.h>  // tensors"), "ATen/ATen.h");
  EXPECT_EQ(IncludeOf("// #include is a word here"), std::nullopt);
  EXPECT_EQ(NameViolation("engine/data/string_utils.h"),
            "engine/data/string_utils.h: the name does not say what is in it");
}

TEST(LayeringTest, EveryIncludeFollowsTheArrows) {
  std::vector<std::string> violations;
  for (const Source& source : SourcesBelow(kRooms)) {
    for (const std::string& line : source.lines) {
      const std::optional<std::string> include = IncludeOf(line);
      if (!include) continue;
      std::string violation = Violation(source.path, *include);
      if (!violation.empty()) violations.push_back(std::move(violation));
    }
  }
  EXPECT_THAT(violations, IsEmpty());
}

// The reader itself: an empty folder or a regular expression that never matches would make every other test
// pass.
TEST(LayeringTest, EveryRoomHasSourcesThatIncludeSomething) {
  for (const std::string& room : kRooms) {
    int includes = 0;
    for (const Source& source : SourcesBelow({room})) {
      for (const std::string& line : source.lines) includes += IncludeOf(line).has_value();
    }
    EXPECT_GT(includes, 5) << room;
  }
}

TEST(LayeringTest, ABadIncludeIsCaught) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"include/kprune/options.h", "torch/torch.h"},
      {"include/kprune/options.h", "grpcpp/grpcpp.h"},
      {"include/kprune/options.h", "google/protobuf/message.h"},
      {"include/kprune/options.h", "kprune/v1/job.pb.h"},
      {"include/kprune/options.h", "engine/kprune/kprune.h"},
      {"engine/kprune/kprune.h", "grpcpp/server.h"},
      {"engine/kprune/kprune.h", "google/protobuf/util/json_util.h"},
      {"engine/kprune/kprune.h", "kprune/v1/job.pb.h"},
      {"engine/kprune/kprune.h", "sqlite3.h"},
      {"engine/kprune/kprune.h", "prometheus/counter.h"},
      {"engine/kprune/kprune.h", "server/jobs/job_store.h"},
      {"engine/kprune/kprune.h", "worker/job.h"},
      {"engine/formats/safetensors.cc", "ATen/ATen.h"},
      {"engine/formats/safetensors.cc", "engine/model/encoder.h"},
      {"engine/tokenizers/tokenizer_json.cc", "c10/util/Exception.h"},
      {"engine/tokenizers/tokenizer_json.cc", "engine/kprune/kprune.h"},
      {"worker/main.cc", "server/jobs/job_store.h"},
      {"worker/main.cc", "client/manifest.h"},
      {"worker/main.cc", "grpcpp/grpcpp.h"},
      {"worker/job.cc", "kprune/v1/job.pb.h"},
      {"server/jobs/queue.cc", "grpcpp/support/status.h"},
      {"server/jobs/queue.cc", "kprune/v1/job_service.grpc.pb.h"},
      {"server/artifacts/local_store.cc", "google/protobuf/timestamp.pb.h"},
      {"server/metrics/prometheus_metrics.cc", "grpc/grpc.h"},
      {"server/jobs/queue.cc", "server/rpc/convert.h"},
      {"server/devices.cc", "server/rpc/convert.h"},
      {"server/jobs/queue.cc", "server/grpc_endpoint.h"},
      {"server/rpc/job_service.cc", "engine/formats/safetensors.h"},
      {"server/rpc/job_service.cc", "torch/torch.h"},
      {"server/rpc/job_service.cc", "sqlite3.h"},
      {"server/main.cc", "worker/job.h"},
      {"client/main.cc", "server/jobs/job_store.h"},
      {"client/connection.cc", "exporter/server_poll.h"},
      {"credentials/token_file.cc", "client/connection.h"},
      {"credentials/token_file.cc", "kprune/v1/job_service.grpc.pb.h"},
      {"exporter/server_poll.cc", "server/jobs/job_store.h"},
      {"server/rpc/gate.cc", "credentials/token_file.h"},
      {"client/main.cc", "torch/script.h"},
      {"client/main.cc", "../server/jobs/job_store.h"},
      {"client/main.cc", "tests/support/tiny_model.h"},
      {"somewhere/else.cc", "vector"},
  };
  for (const auto& [file, include] : bad)
    EXPECT_NE(Violation(file, include), "") << file << " includes " << include;
}

TEST(LayeringTest, AGoodIncludePasses) {
  const std::vector<std::pair<std::string, std::string>> good = {
      {"include/kprune/options.h", "absl/status/status.h"},
      {"engine/kprune/kprune.cc", "ATen/ATen.h"},
      {"engine/kprune/kprune.cc", "engine/formats/safetensors.h"},
      {"engine/formats/safetensors.cc", "nlohmann/json.hpp"},
      {"worker/main.cc", "CLI/CLI.hpp"},
      {"worker/main.cc", "kprune/worker_protocol.h"},
      {"server/jobs/sqlite_job_store.cc", "sqlite3.h"},
      {"server/rpc/job_service.cc", "kprune/v1/job_service.grpc.pb.h"},
      {"server/rpc/job_service.cc", "server/jobs/job_store.h"},
      {"server/main.cc", "server/rpc/server.h"},
      {"client/main.cc", "grpcpp/create_channel.h"},
      {"client/main.cc", "kprune/layout.h"},
      {"client/connection.cc", "credentials/token_file.h"},
      {"credentials/channel_credentials.cc", "grpcpp/security/tls_certificate_provider.h"},
      {"exporter/server_poll.cc", "credentials/token_file.h"},
  };
  for (const auto& [file, include] : good) EXPECT_EQ(Violation(file, include), "");
}

TEST(LayeringTest, NoSourceFileIsTooLong) {
  std::vector<std::string> folders = kRooms;
  folders.push_back("tests");
  std::vector<std::string> too_long;
  for (const Source& source : SourcesBelow(folders)) {
    if (source.lines.size() > kMostLines) {
      too_long.push_back(source.path + " has " + std::to_string(source.lines.size()) + " lines");
    }
  }
  EXPECT_THAT(too_long, IsEmpty()) << "more than " << kMostLines << " lines are two rooms";
}

TEST(LayeringTest, EverySourceFileIsNamedAfterWhatIsInIt) {
  std::vector<std::string> folders = kRooms;
  folders.push_back("tests");
  std::vector<std::string> unnamed;
  for (const Source& source : SourcesBelow(folders)) {
    std::string violation = NameViolation(source.path);
    if (!violation.empty()) unnamed.push_back(std::move(violation));
  }
  EXPECT_THAT(unnamed, IsEmpty());
  for (const char* bad :
       {"engine/utils.cc", "client/Helpers.h", "server/common/clock.h", "engine/data/text_helper.cc"}) {
    EXPECT_NE(NameViolation(bad), "") << bad;
  }
  for (const char* good : {"engine/data/utilisation.cc", "server/jobs/commonality.h", "client/main.cc"}) {
    EXPECT_EQ(NameViolation(good), "");
  }
}

}  // namespace
}  // namespace kprune::testing
