// A host of models on loopback, over real HTTPS: a web folder, an S3 bucket that verifies signatures, and a
// hub's mirror; it can be told to misbehave (model_host.py says how). Its certificate is made here.
#ifndef KPRUNE_TESTS_SUPPORT_MODEL_HOST_H_
#define KPRUNE_TESTS_SUPPORT_MODEL_HOST_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace kprune::testing {

// What its S3 accepts.
inline constexpr char kS3KeyId[] = "AKIDEXAMPLE";
inline constexpr char kS3Secret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
inline constexpr char kS3SessionToken[] = "session-token-EXAMPLE";
inline constexpr char kS3Region[] = "eu-test-1";

// Not thread-safe. Functions throw std::runtime_error where it does not come up.
class ModelHost {
 public:
  // `folder` must outlive this.
  explicit ModelHost(const std::filesystem::path& folder);

  // "https://127.0.0.1:PORT/", and the same by name: "https://localhost:PORT/".
  std::string Url(const std::string& path = "") const { return "https://127.0.0.1:" + port_ + "/" + path; }
  std::string NamedUrl(const std::string& path = "") const {
    return "https://localhost:" + port_ + "/" + path;
  }
  // The authority that its certificate is of.
  std::filesystem::path ca_file() const { return folder_ / "host.crt"; }

  // Below it lie files/, s3/BUCKET/ and hub/ORG/NAME/.
  std::filesystem::path root() const { return folder_ / "root"; }
  void Write(const std::string& name, const std::string& bytes) const;
  // Replaces the rules; {"PATH": {...}}.
  void SetRules(const std::string& json) const;
  // The lines of its log, of those paths that end with `ending`.
  std::vector<std::string> Requests(const std::string& ending = "") const;

 private:
  const std::filesystem::path folder_;
  std::string port_;
  std::unique_ptr<Process> process_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_MODEL_HOST_H_
