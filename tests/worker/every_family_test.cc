// A whole job for every family, on checkpoints that transformers wrote (tests/engine/goldens).
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/model_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/supported_models.h"
#include "tests/worker/image_job.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Family and method.
using Case = std::pair<std::string, std::string>;

std::string NameOf(const Case& value) {
  std::string name = value.first + "_" + value.second;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class EveryFamilyJobTest : public ::testing::TestWithParam<Case> {
 protected:
  // A job with the family's classifier, and rows of tokens that mean padding to no family.
  EveryFamilyJobTest() {
    if (FindFamily(GetParam().first)->patches != nullptr) {
      testing::UseGoldenOfImages(job_, GetParam().first + "_image_classification");
      return;
    }
    std::string folder = GetParam().first + "_text_classification";
    std::replace(folder.begin(), folder.end(), '-', '_');
    fs::remove_all(job_ / "model");
    fs::copy(fs::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens" / folder, job_ / "model");
    fs::remove(job_ / "model/golden.safetensors");
    std::vector<std::vector<int32_t>> rows(64, std::vector<int32_t>(9));
    uint32_t state = 1;
    for (std::vector<int32_t>& row : rows) {
      for (int32_t& id : row)
        id = 4 + static_cast<int32_t>((state = state * 1664525 + 1013904223) >> 16) % 28;
    }
    testing::WriteTokenIds(job_ / "data/samples.safetensors", rows);
  }

  const JobDirectory job_{{}};
};

TEST_P(EveryFamilyJobTest, ItsResultIsSmallerRunsAndIsVerified) {
  json change = {{"data", {"data/samples.safetensors"}},
                 {"options", {{"keep_flops", 0.5}, {"method", GetParam().second}}}};
  if (GetParam().second == "refit") change["options"]["distill"] = 3;
  const absl::Status status = job_.Run("prune", change);
  ASSERT_TRUE(status.ok()) << status;
  const json report = job_.Result(kReportFile);
  EXPECT_LE(report["flops"]["ratio"].get<double>(), 0.5);
  EXPECT_GT(report["flops"]["ratio"].get<double>(), 0.2);
  EXPECT_EQ(report["verification"]["formats"].size(), 3u);  // safetensors, TorchScript and ONNX
  EXPECT_LT(report["verification"]["max_difference"].get<double>(), 1e-4);
  const absl::StatusOr<ModelFolder> written = OpenModelFolder((job_ / "result").string(), {});
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->config.family->model_type, GetParam().first);

  // It is pruned again as any other.
  fs::remove_all(job_ / "model");
  fs::rename(job_ / "result", job_ / "model");
  change["options"]["keep_flops"] =
      0.8;  // the one head that is left in all layers of ALBERT takes most of it
  const absl::Status again = job_.Run("prune", change);
  EXPECT_TRUE(again.ok()) << again;
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const char* family : kFamilies) {
    for (const char* method : kMethods) cases.emplace_back(family, method);
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Families, EveryFamilyJobTest, ::testing::ValuesIn(AllCases()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace kprune
