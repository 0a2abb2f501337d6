#include "kprune/layout.h"

#include <string>

#include "gtest/gtest.h"

namespace kprune {
namespace {

bool Model(std::string_view name) { return IsAllowedName(FileRole::kModel, name); }
bool Data(std::string_view name) { return IsAllowedName(FileRole::kData, name); }
bool Result(std::string_view name) { return IsAllowedName(FileRole::kResult, name); }

TEST(Layout, Examples) {
  EXPECT_TRUE(Model("config.json"));
  EXPECT_TRUE(Model("model-00001-of-00002.safetensors"));
  EXPECT_TRUE(Model("1_Pooling/config.json"));
  EXPECT_TRUE(Data("samples.jsonl"));
  EXPECT_TRUE(Result("report.json"));
  EXPECT_FALSE(Model("pytorch_model.bin"));
  EXPECT_FALSE(Model("../config.json"));
}

TEST(Layout, APathTrickIsNoNameInAnyRole) {
  for (const FileRole role : {FileRole::kModel, FileRole::kData, FileRole::kResult}) {
    for (const std::string name : {"",
                                   ".",
                                   "..",
                                   "/",
                                   "/etc/passwd",
                                   "../a.jsonl",
                                   "a/../b.jsonl",
                                   "a/b.jsonl",
                                   "./model.safetensors",
                                   "/model.safetensors",
                                   "model/../../x.safetensors",
                                   "model\\x.safetensors",
                                   ".hidden.jsonl",
                                   "-rf.jsonl",
                                   "model x.safetensors",
                                   "model\n.safetensors",
                                   "../1_Pooling/config.json",
                                   "1_Pooling/../config.json",
                                   "1_Pooling//config.json",
                                   "/1_Pooling/config.json",
                                   "1_Pooling/config.json/x",
                                   "modél.safetensors"}) {
      EXPECT_FALSE(IsAllowedName(role, name)) << name;
    }
    EXPECT_FALSE(IsAllowedName(role, std::string("model\0.safetensors", 18)));
  }
}

TEST(Layout, NamesOfOneRoleAreNotThoseOfAnother) {
  EXPECT_FALSE(Model("samples.jsonl"));
  EXPECT_FALSE(Model("report.json"));
  EXPECT_FALSE(Data("config.json"));
  EXPECT_TRUE(Data("ids.safetensors"));
  EXPECT_TRUE(Result("config.json"));
  EXPECT_FALSE(Result("samples.jsonl"));
}

TEST(Layout, OnlyModulesOfSentenceEncodersMayBeInAFolder) {
  EXPECT_TRUE(Model("2_Normalize/config.json"));
  EXPECT_FALSE(Model("2_Dense/config.json"));
  EXPECT_FALSE(Model("Pooling/config.json"));
  EXPECT_FALSE(Model("1_Pooling/other.json"));
}

TEST(Layout, LongNamesAreRefused) {
  const std::string ending = ".jsonl";
  EXPECT_TRUE(Data(std::string(128 - ending.size(), 'a') + ending));
  EXPECT_FALSE(Data(std::string(129 - ending.size(), 'a') + ending));
}

}  // namespace
}  // namespace kprune
