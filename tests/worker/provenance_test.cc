// Every result says where it came from; `verify` holds it to that, and to whoever signed it.
#include "worker/provenance.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "engine/formats/dsse.h"
#include "engine/formats/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/process.h"
#include "tests/support/signing_keys.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::KeyFiles;
using ::kprune::testing::ReadFile;
using ::kprune::testing::WriteFile;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

const testing::TinyModel kClassifier = {.task = "text-classification", .labels = 2};

// The names of all files below a folder.
std::set<std::string> FilesBelow(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) names.insert(fs::relative(entry.path(), folder).generic_string());
  }
  return names;
}

// {name: SHA-256} of a list of resource descriptors.
json Digests(const json& descriptors) {
  json digests = json::object();
  for (const json& descriptor : descriptors) {
    EXPECT_FALSE(digests.contains(descriptor["name"])) << descriptor;
    digests[descriptor["name"].get<std::string>()] = descriptor["digest"]["sha256"];
  }
  return digests;
}

class ProvenanceTest : public ::testing::Test {
 protected:
  // A result in pruned/, signed with `key`, or with none.
  void Prune(const fs::path& key, const json& changes = json::object()) {
    job_.signing_key = key;
    const absl::Status status = job_.Run("prune", changes);
    ASSERT_TRUE(status.ok()) << status;
    fs::rename(job_ / "result", job_ / "pruned");
  }

  absl::Status Verify(const fs::path& public_key = {}) {
    json changes = {{"model", "pruned"}, {"data", nullptr}};
    if (!public_key.empty()) changes["public_key"] = public_key;
    fs::remove_all(job_ / "result");
    return job_.Run("verify", changes);
  }

  json Statement() { return JobDirectory::ReadJson(job_ / "pruned/provenance.json"); }

  // A changed report in a statement that knows its digest.
  void Forge(const std::function<void(json&)>& edit) {
    json report = JobDirectory::ReadJson(job_ / "pruned/report.json"), statement = Statement();
    edit(report);
    WriteFile(job_ / "pruned/report.json", report.dump());
    for (json& subject : statement["subject"]) {
      if (subject["name"] == "report.json") subject["digest"]["sha256"] = Sha256OfBytes(report.dump());
    }
    WriteFile(job_ / "pruned/provenance.json", statement.dump());
  }

  // Verifies what `change` makes of the result, and puts it right again.
  void ExpectDataLoss(const std::function<void(const fs::path&)>& change, const std::string& part,
                      const fs::path& public_key = {}) {
    const fs::path intact = job_ / "intact";
    fs::remove_all(intact);
    fs::copy(job_ / "pruned", intact, fs::copy_options::recursive);
    change(job_ / "pruned");
    const absl::Status status = Verify(public_key);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
    EXPECT_FALSE(job_.has_result());
    fs::remove_all(job_ / "pruned");
    fs::rename(intact, job_ / "pruned");
  }

  JobDirectory job_{kClassifier};
  const testing::TemporaryFolder keys_;
  const KeyFiles key_ = testing::WriteKeyPair(keys_ / "key"), other_ = testing::WriteKeyPair(keys_ / "other");
};

TEST_F(ProvenanceTest, Examples) {
  Prune(key_.private_pem, {{"name", "jobs/abc"}, {"options", {{"keep_flops", 0.5}, {"seed", 3}}}});
  const json statement = Statement(), report = JobDirectory::ReadJson(job_ / "pruned/report.json");
  EXPECT_EQ(statement["_type"], "https://in-toto.io/Statement/v1");
  EXPECT_EQ(statement["predicateType"], "https://slsa.dev/provenance/v1");

  // Every file but the statement itself and its signature.
  const json subjects = Digests(statement["subject"]);
  std::set<std::string> files = FilesBelow(job_ / "pruned"), named;
  EXPECT_EQ(files.erase("provenance.json") + files.erase("provenance.dsse.json"), 2u);
  for (const auto& [name, digest] : subjects.items()) {
    named.insert(name);
    EXPECT_EQ(digest, *Sha256OfFile(job_.path() / "pruned" / name)) << name;
  }
  EXPECT_EQ(named, files);
  EXPECT_TRUE(named.contains("report.json") && named.contains("report.html") && named.contains("README.md"));

  // What it was made from, and how, when and by what.
  const json definition = statement["predicate"]["buildDefinition"],
             details = statement["predicate"]["runDetails"];
  EXPECT_EQ(definition["buildType"], "urn:kprune:prune:v1");
  EXPECT_EQ(definition["externalParameters"]["options"], report["options"]);
  EXPECT_EQ(definition["externalParameters"]["seed"], 3);
  EXPECT_EQ(definition["internalParameters"]["device"], report["device"]);
  const json inputs = Digests(definition["resolvedDependencies"]);
  EXPECT_EQ(inputs, report["inputs"]);
  EXPECT_EQ(inputs["data/samples.jsonl"], *Sha256OfFile(job_ / "data/samples.jsonl"));
  EXPECT_EQ(details["builder"]["version"], report["versions"]);
  EXPECT_EQ(details["metadata"]["invocationId"], "jobs/abc");
  const std::string started = details["metadata"]["startedOn"], finished = details["metadata"]["finishedOn"];
  const char* const time = "20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z";
  EXPECT_THAT(started, MatchesRegex(time));
  EXPECT_THAT(finished, MatchesRegex(time));
  EXPECT_LE(started, finished);

  // The result is what it says, and was signed by whom it says.
  const absl::Status status = Verify(key_.public_pem);
  ASSERT_TRUE(status.ok()) << status;
  const json verified = job_.Result(kVerificationFile)["provenance"];
  const std::string id = PublicKey::FromFile(key_.public_pem)->id();
  EXPECT_EQ(verified, json({{"subjects", subjects.size()},
                            {"started", started},
                            {"finished", finished},
                            {"job", "jobs/abc"},
                            {"signed_by", {id}},
                            {"verified_key", id}}));
}

TEST_F(ProvenanceTest, AResultOfSeveralModelsHasOneStatementAboutAllOfThem) {
  Prune(key_.private_pem, {{"options", {{"keep_flops", {0.4, 0.7}}}}});
  const json subjects = Digests(Statement()["subject"]);
  for (const char* name :
       {"report.json", "report.html", "keep-0.70/model.safetensors", "keep-0.40/report.json"})
    EXPECT_TRUE(subjects.contains(name)) << name;
  EXPECT_EQ(subjects.size(), FilesBelow(job_ / "pruned").size() - 2);
  EXPECT_EQ(Statement()["predicate"]["buildDefinition"]["externalParameters"]["options"]["keep_flops"],
            json({0.7, 0.4}));
  const absl::Status status = Verify(key_.public_pem);
  EXPECT_TRUE(status.ok()) << status;
  ExpectDataLoss(
      [](const fs::path& folder) { WriteFile(folder / "keep-0.40/README.md", "Better than ever."); },
      "keep-0.40/README.md does not have the digest in provenance.json");
  // One of the models alone is a folder that has none.
  fs::rename(job_ / "pruned", job_ / "all");
  fs::rename(job_ / "all/keep-0.40", job_ / "pruned");
  EXPECT_TRUE(Verify().ok());
  EXPECT_EQ(Verify(key_.public_pem).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ProvenanceTest, AModelChosenByItsLossHasAStatement) {
  Prune({}, {{"options", {{"max_drop", 60}, {"holdout", 0.3}, {"keep_flops", nullptr}}}});
  const absl::Status status = Verify();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Digests(Statement()["subject"]).size(), FilesBelow(job_ / "pruned").size() - 1);
}

TEST_F(ProvenanceTest, WithoutAKeyItIsNotSigned) {
  Prune({});
  EXPECT_FALSE(fs::exists(job_ / "pruned/provenance.dsse.json"));
  EXPECT_FALSE(Statement()["predicate"]["runDetails"]["metadata"].contains("invocationId"));
  ASSERT_TRUE(Verify().ok());
  const json verified = job_.Result(kVerificationFile)["provenance"];
  EXPECT_EQ(verified["signed_by"], json::array());
  EXPECT_TRUE(verified["verified_key"].is_null());
  EXPECT_TRUE(verified["job"].is_null());
  ExpectDataLoss([](const fs::path&) {}, "the result is not signed", key_.public_pem);
}

TEST_F(ProvenanceTest, VerifyNoticesWhatWasChangedRemovedOrAdded) {
  Prune(key_.private_pem);
  ExpectDataLoss([](const fs::path& folder) { WriteFile(folder / "README.md", "Better than ever."); },
                 "README.md does not have the digest in provenance.json");
  ExpectDataLoss([](const fs::path& folder) { fs::remove(folder / "onnx/model.onnx"); },
                 "onnx/model.onnx is missing, but provenance.json lists it");
  ExpectDataLoss([](const fs::path& folder) { WriteFile(folder / "onnx/run.py", "import os"); },
                 "\"onnx/run.py\" is in the folder, but not in provenance.json");
  ExpectDataLoss(
      [&](const fs::path& folder) { fs::create_directory_symlink(keys_.path(), folder / "dense"); },
      "\"dense\" is in the folder");
  ExpectDataLoss([](const fs::path& folder) { fs::remove(folder / "provenance.json"); },
                 "the folder has no provenance.json, but provenance.dsse.json is there");
  ASSERT_TRUE(Verify(key_.public_pem).ok()) << "the intact folder";
}

TEST_F(ProvenanceTest, AForgerNeedsTheKey) {
  Prune(key_.private_pem);
  const auto fewer_flops = [&](const fs::path&) {
    Forge([](json& report) { report["flops"]["kept"] = 1.0; });
  };
  ExpectDataLoss(fewer_flops, "provenance.dsse.json holds another statement than provenance.json");
  // Signed again, with a key of the forger's.
  const auto sign_again = [&](const fs::path& folder) {
    fewer_flops(folder);
    const auto envelope = SignEnvelope(kStatementPayloadType, ReadFile(folder / "provenance.json"),
                                       *SigningKey::FromFile(other_.private_pem));
    WriteFile(folder / "provenance.dsse.json", EnvelopeText(*envelope));
  };
  ExpectDataLoss(sign_again,
                 "has no valid signature by the key " + PublicKey::FromFile(key_.public_pem)->id(),
                 key_.public_pem);
  ExpectDataLoss([](const fs::path& folder) { fs::remove(folder / "provenance.dsse.json"); },
                 "the result is not signed", key_.public_pem);
  ExpectDataLoss([](const fs::path&) {}, "has no valid signature", other_.public_pem);
  ExpectDataLoss(
      [](const fs::path& folder) {
        fs::remove(folder / "provenance.json");
        fs::remove(folder / "provenance.dsse.json");
      },
      "the folder has no provenance.json, but --public-key was given", key_.public_pem);
  ExpectDataLoss(
      [](const fs::path& folder) {
        json envelope = JobDirectory::ReadJson(folder / "provenance.dsse.json");
        envelope["payloadType"] = "text/plain";
        WriteFile(folder / "provenance.dsse.json", envelope.dump());
      },
      "has payloadType \"text/plain\"");
}

TEST_F(ProvenanceTest, TheStatementAndTheReportSayTheSame) {
  Prune({});
  ExpectDataLoss([&](const fs::path&) { Forge([](json& report) { report["options"]["seed"] = 99; }); },
                 "provenance.json and report.json disagree about the options");
  ExpectDataLoss(
      [&](const fs::path&) { Forge([](json& report) { report["inputs"]["data/more.jsonl"] = "00"; }); },
      "disagree about the inputs");
  ExpectDataLoss([&](const fs::path&) { Forge([](json& report) { report["versions"]["torch"] = "9"; }); },
                 "disagree about the versions");
}

TEST_F(ProvenanceTest, AStatementThatIsNoneIsRefused) {
  Prune({});
  const auto edited = [&](const std::function<void(json&)>& edit) {
    return [edit](const fs::path& folder) {
      json statement = JobDirectory::ReadJson(folder / "provenance.json");
      edit(statement);
      WriteFile(folder / "provenance.json", statement.dump());
    };
  };
  ExpectDataLoss([](const fs::path& folder) { WriteFile(folder / "provenance.json", "{"); },
                 "provenance.json");
  ExpectDataLoss(edited([](json& statement) { statement = 3; }), "no in-toto statement");
  ExpectDataLoss(edited([](json& statement) { statement["predicateType"] = 1; }), "no SLSA provenance");
  ExpectDataLoss(edited([](json& statement) { statement["subject"] = json::array(); }), "lists no files");
  ExpectDataLoss(edited([](json& statement) { statement["subject"][0] = "config.json"; }), "without a name");
  ExpectDataLoss(edited([](json& statement) { statement["subject"][1] = statement["subject"][0]; }),
                 "lists a file twice");
  ExpectDataLoss(edited([](json& statement) { statement["subject"][0]["name"] = "../model/config.json"; }),
                 "no file of a result");
  ExpectDataLoss(edited([](json& statement) { statement["predicate"] = json::array({1}); }), "build type");
}

TEST_F(ProvenanceTest, AKeyThatCannotSignIsRefusedBeforeAnyWork) {
  const KeyFiles locked = testing::WriteKeyPair(keys_ / "locked", "ED25519", "secret"),
                 rsa = testing::WriteKeyPair(keys_ / "rsa", "RSA");
  const std::vector<std::pair<fs::path, std::string>> bad = {{keys_ / "none.pem", "No such file"},
                                                             {locked.private_pem, "is encrypted"},
                                                             {rsa.private_pem, "another kind (RSA)"},
                                                             {key_.public_pem, "holds no private key"}};
  for (const char* kind : {"prune", "preflight"}) {
    for (const auto& [key, part] : bad) {
      job_.signing_key = key;
      RecordingObserver observer;
      const absl::Status status = job_.Run(kind, json::object(), observer);
      EXPECT_THAT(std::string(status.message()), ::testing::StartsWith("--signing-key: ")) << kind;
      EXPECT_THAT(std::string(status.message()), HasSubstr(part)) << kind;
      EXPECT_FALSE(job_.has_result());
      EXPECT_FALSE(fs::exists(job_ / "scratch"));
    }
  }
}

TEST_F(ProvenanceTest, ThePublicKeyMustBeOne) {
  Prune(key_.private_pem);
  const absl::Status secret = Verify(key_.private_pem), none = Verify(keys_ / "none.pem");
  EXPECT_EQ(secret.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(secret.message()), HasSubstr("--public-key: "));
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
}

TEST_F(ProvenanceTest, TheKeyIsNowhereInTheJobDirectory) {
  Prune(key_.private_pem);
  const std::string pem = ReadFile(key_.private_pem), body = pem.substr(pem.find('\n') + 1, 60);
  std::string der;
  ASSERT_TRUE(absl::Base64Unescape(body.substr(0, 60), &der));
  const std::string secret = der.substr(der.size() - 24);
  for (const std::string& name : FilesBelow(job_.path())) {
    const std::string bytes = ReadFile(job_.path() / name);
    EXPECT_THAT(bytes, Not(HasSubstr(body.substr(20)))) << name;
    EXPECT_EQ(bytes.find(secret), std::string::npos) << name;
  }
}

// Nothing of ours: openssl on the command line takes the signature, for both kinds of keys.
TEST_F(ProvenanceTest, OpenSslVerifiesTheEnvelope) {
  const fs::path openssl = "/usr/bin/openssl";
  if (!fs::exists(openssl)) GTEST_SKIP() << "there is no " << openssl << "; install the package openssl";
  for (const char* kind : {"ED25519", "P-256"}) {
    SCOPED_TRACE(kind);
    const KeyFiles key = testing::WriteKeyPair(keys_ / kind, kind);
    Prune(key.private_pem);
    const json envelope = JobDirectory::ReadJson(job_ / "pruned/provenance.dsse.json");
    std::string payload, signature;
    ASSERT_TRUE(absl::Base64Unescape(envelope["payload"].get<std::string>(), &payload));
    ASSERT_TRUE(absl::Base64Unescape(envelope["signatures"][0]["sig"].get<std::string>(), &signature));
    EXPECT_EQ(payload, ReadFile(job_ / "pruned/provenance.json"));
    WriteFile(keys_ / "signature", signature);
    const auto verify = [&](const std::string& statement) {
      const std::string type = "application/vnd.in-toto+json";
      WriteFile(keys_ / "signed", "DSSEv1 " + std::to_string(type.size()) + " " + type + " " +
                                      std::to_string(statement.size()) + " " + statement);
      std::vector<std::string> command = {openssl,          "pkeyutl",      "-verify",          "-pubin",
                                          "-inkey",         key.public_pem, "-rawin",           "-in",
                                          keys_ / "signed", "-sigfile",     keys_ / "signature"};
      if (std::string(kind) == "P-256") command.insert(command.end(), {"-digest", "sha256"});
      testing::Process process(command, keys_ / "openssl");
      return process.Wait();
    };
    EXPECT_EQ(verify(payload), 0);
    EXPECT_NE(verify(payload + " "), 0);
    fs::remove_all(job_ / "pruned");
  }
}

}  // namespace
}  // namespace kprune
