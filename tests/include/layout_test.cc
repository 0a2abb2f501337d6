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

TEST(Layout, DataHasTheNamesOfItsFormats) {
  for (const char* ending : {".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".conll"}) {
    for (const char* packed : {"", ".gz", ".zst"}) {
      const std::string whole = std::string(ending) + packed;
      EXPECT_TRUE(Data("samples" + whole)) << whole;
      EXPECT_EQ(DataEnding("my.samples" + whole), whole);
      EXPECT_FALSE(Data(whole)) << whole;
    }
  }
  for (const char* name :
       {"samples", "samples.gz", "samples.csv.bz2", "samples.csv.gz.gz", "ids.safetensors.gz", "a.parquet.gz",
        "samples.xlsx", "samples.pkl", "a/samples.csv", "samples.csv.exe"}) {
    EXPECT_FALSE(Data(name)) << name;
  }
  EXPECT_TRUE(Data("train-00000-of-00001.parquet"));
  EXPECT_NE(DataEndings().find(".csv"), std::string::npos);
}

TEST(Layout, TheTokenizerFilesOfEveryFamilyGoAlong) {
  for (const char* name :
       {"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model",
        "spm.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "preprocessor_config.json"}) {
    EXPECT_TRUE(Model(name)) << name;
    EXPECT_TRUE(Result(name)) << name;
  }
  EXPECT_FALSE(Model("other.model"));
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
  EXPECT_FALSE(Data("model.onnx"));
  EXPECT_TRUE(Data("ids.safetensors"));
  EXPECT_TRUE(Result("config.json"));
  EXPECT_FALSE(Result("samples.jsonl"));
}

TEST(Layout, AResultHasFormsOfItsModelThatNobodyMaySend) {
  for (const std::string name :
       {"onnx/model.onnx", "model.torchscript.pt", "triton/model/config.pbtxt", "triton/model/1/model.onnx",
        "report.html", "README.md", "provenance.json", "provenance.dsse.json"}) {
    EXPECT_TRUE(Result(name)) << name;
    EXPECT_TRUE(Result("keep-0.50/" + name)) << name;
    EXPECT_FALSE(Model(name)) << name;
  }
  for (const std::string name : {"onnx/other.onnx", "model.onnx", "onnx/../model.onnx", "model.pt",
                                 "triton/model/2/model.onnx", "triton/config.pbtxt", "onnx", "onnx/"}) {
    EXPECT_FALSE(Result(name)) << name;
  }
}

TEST(Layout, OnlyModulesOfSentenceEncodersMayBeInAFolder) {
  EXPECT_TRUE(Model("2_Normalize/config.json"));
  EXPECT_FALSE(Model("2_Dense/config.json"));
  EXPECT_FALSE(Model("Pooling/config.json"));
  EXPECT_FALSE(Model("1_Pooling/other.json"));
}

TEST(Layout, AResultMayHoldSeveralModelsInFoldersOfTheirBudgets) {
  EXPECT_EQ(BudgetFolder(0.5), "keep-0.50");
  EXPECT_EQ(BudgetFolder(0.125), "keep-0.125");
  EXPECT_EQ(BudgetFolder(1.0 / 3), "keep-0.333333333333");
  for (const double keep : {0.7, 0.05, 0.275, 1.0 / 3, 0.999999, 1e-6}) {
    const std::string folder = BudgetFolder(keep);
    EXPECT_TRUE(IsBudgetFolder(folder)) << folder;
    EXPECT_TRUE(Result(folder + "/model.safetensors"));
    EXPECT_TRUE(Result(folder + "/report.json"));
    EXPECT_TRUE(Result(folder + "/1_Pooling/config.json"));
    EXPECT_EQ(BudgetFolderOf(folder + "/1_Pooling/config.json"), folder);
  }
  EXPECT_EQ(BudgetFolderOf("config.json"), "");
  EXPECT_EQ(BudgetFolderOf("1_Pooling/config.json"), "");
  EXPECT_FALSE(Model("keep-0.50/config.json"));
  EXPECT_FALSE(Data("keep-0.50/samples.jsonl"));
  for (const std::string name : {"keep-0.50",
                                 "keep-0.50/",
                                 "keep-0.50//config.json",
                                 "keep-0.50/../config.json",
                                 "keep-0.50/..",
                                 "keep-0.50/keep-0.30/config.json",
                                 "keep-0.5/config.json",
                                 "keep-1.00/config.json",
                                 "keep-0./config.json",
                                 "keep-0.5x/config.json",
                                 "keep-0.-5/config.json",
                                 "keep-0.../config.json",
                                 "keep-../config.json",
                                 "../keep-0.50/config.json",
                                 "/keep-0.50/config.json",
                                 "./keep-0.50/config.json",
                                 "keep-0.50/samples.jsonl",
                                 "keep-0.50/1_Pooling/../config.json",
                                 "keep-0.50\\config.json",
                                 "keep-0.5000000000000/config.json",
                                 "Keep-0.50/config.json",
                                 "keep-0.50 /config.json"}) {
    EXPECT_FALSE(Result(name)) << name;
  }
}

TEST(Layout, CodeAndDerivedModelsAreInResultsAloneAndNeverAccepted) {
  for (const std::string name :
       {"modeling_kprune.py", "dense/config.json", "dense/model.safetensors", "dense/vocab.txt",
        "dense/1_Pooling/config.json", "keep-0.50/modeling_kprune.py", "keep-0.50/dense/model.safetensors",
        "keep-0.50/dense/1_Pooling/config.json"}) {
    EXPECT_TRUE(Result(name)) << name;
    EXPECT_FALSE(Model(name)) << name;
    EXPECT_FALSE(Data(name)) << name;
  }
  for (const std::string name :
       {"modeling_other.py", "dense", "dense/", "dense//config.json", "dense/../config.json",
        "dense/dense/config.json", "dense/keep-0.50/config.json", "dense/modeling_kprune.py",
        "dense/report.json", "densely/config.json", "Dense/config.json", "dense/1_Pooling/../config.json",
        "dense/1_Pooling/model.safetensors", "../dense/config.json", "/dense/config.json"}) {
    EXPECT_FALSE(Result(name)) << name;
    EXPECT_FALSE(Model(name)) << name;
  }
}

TEST(Layout, LongNamesAreRefused) {
  const std::string ending = ".jsonl";
  EXPECT_TRUE(Data(std::string(128 - ending.size(), 'a') + ending));
  EXPECT_FALSE(Data(std::string(129 - ending.size(), 'a') + ending));
}

}  // namespace
}  // namespace kprune
