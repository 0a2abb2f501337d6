// kprune token: makes a token, and the line of the access file that lets it in.
#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "client/command.h"
#include "client/file_digest.h"
#include "kprune/caller.h"

namespace kprune::client {
namespace {

struct TokenFlags {
  std::string name, tenant, role = "submitter", output;
};

const CLI::Validator kTenantName(
    [](const std::string& name) -> std::string {
      return IsTenantName(name) ? "" : name + " is no tenant's name; accepted are a to z, 0 to 9 and -";
    },
    "", "tenant");

// 256 random bits, so that its hash tells nothing of it.
absl::StatusOr<std::string> RandomToken() {
  unsigned char bytes[32];
  if (RAND_bytes(bytes, sizeof(bytes)) != 1)
    return absl::UnavailableError("the system gives no random bytes now; try again");
  return "kprune_" + absl::WebSafeBase64Escape({reinterpret_cast<const char*>(bytes), sizeof(bytes)});
}

// Into a new file that its owner alone can read.
absl::Status WriteToken(const std::string& file, const std::string& token) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make the file ", file, " (", std::strerror(errno), "); it must be a new one"));
  const std::string line = token + "\n";
  const bool written = ::write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (::close(descriptor) == 0 && written) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write ", file, "; is its disk full?"));
}

absl::Status MakeToken(const TokenFlags& flags, Session& session) {
  const absl::StatusOr<std::string> token = RandomToken();
  if (!token.ok()) return token.status();
  Sha256 hash;
  hash.Update(*token);
  nlohmann::ordered_json identity = {{"name", flags.name}, {"token_sha256", hash.Finish()}};
  if (!flags.tenant.empty()) identity["tenant"] = flags.tenant;
  identity["role"] = flags.role;
  if (flags.output.empty()) {
    session.out << *token << "\n";
  } else if (absl::Status written = WriteToken(flags.output, *token); !written.ok()) {
    return written;
  }
  session.out << identity.dump() << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddTokenCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<TokenFlags>();
  CLI::App* command = app.add_subcommand(
      "token",
      "Make a token: prints it, once, and the line for the server's access file, which has its hash");
  command->add_option("NAME", flags->name, "Whose it is, for the audit log")->required();
  command->add_option("--tenant", flags->tenant, "The tenant it acts for; only a monitor may have none")
      ->check(kTenantName);
  command->add_option("--role", flags->role, "viewer | submitter | admin | monitor")
      ->check(CLI::IsMember({"viewer", "submitter", "admin", "monitor"}))
      ->capture_default_str();
  command->add_option("--output", flags->output,
                      "Write the token into this new file, for --token-file, in place of printing it");
  command->footer("Example:\n  kprune token ci --tenant team-a --output ci.token");
  command->callback([flags, &session] {
    if (flags->tenant.empty() && flags->role != "monitor")
      throw CLI::ValidationError("--tenant is missing; only a monitor may have none");
    session.action = [flags, &session] { return MakeToken(*flags, session); };
  });
}

}  // namespace kprune::client
