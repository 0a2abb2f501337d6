// A server that asks who calls, as a process of its own, and the tokens of those it knows.
#ifndef KPRUNE_TESTS_AUTH_GUARDED_SERVICE_H_
#define KPRUNE_TESTS_AUTH_GUARDED_SERVICE_H_

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "kprune/caller.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "kprune/v1/server_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/sha256.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {

// Of the identity that the access file of a GuardedService has for that role of that tenant.
inline std::string TokenOf(const std::string& tenant, Role role) {
  return "kprune_secret-of-" + tenant + "-" + std::string(RoleName(role));
}

inline std::string HashOf(const std::string& bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

// Every role of team-a and of team-b by its token, and an admin of team-a by the certificate "robot".
inline nlohmann::json AccessFile() {
  nlohmann::json identities = {
      {{"name", "robot"}, {"certificate", "robot"}, {"tenant", "team-a"}, {"role", "admin"}}};
  for (const std::string tenant : {"team-a", "team-b"}) {
    for (const Role role : kRoles) {
      identities.push_back({{"name", tenant + "'s " + std::string(RoleName(role))},
                            {"token_sha256", HashOf(TokenOf(tenant, role))},
                            {"tenant", tenant},
                            {"role", RoleName(role)}});
    }
  }
  return {{"tenants", {{"team-a", nlohmann::json::object()}, {"team-b", nlohmann::json::object()}}},
          {"identities", identities}};
}

// Writes it as one replacement of what was there.
inline void WriteAccessFile(const std::filesystem::path& file, const std::string& text) {
  WriteFile(file.string() + ".next", text);
  std::filesystem::rename(file.string() + ".next", file);
}

// Adds the token to a call.
inline void Authorize(grpc::ClientContext& context, const std::string& token) {
  context.AddMetadata("authorization", "Bearer " + token);
}

// The files that a server and its clients need, in a folder: access.json, server.pem, robot.pem, ca.pem.
class AccessFolder {
 public:
  AccessFolder() {
    WriteAccessFile(folder_ / "access.json", AccessFile().dump());
    WriteFile(folder_ / "ca.pem", authority_.certificate());
    WriteCertifiedKey(folder_.path(), "server", authority_.Issue());
    WriteCertifiedKey(folder_.path(), "robot", authority_.Issue({"robot", ""}));
  }

  std::string Path(const std::string& name) const { return folder_ / name; }
  const std::filesystem::path& path() const { return folder_.path(); }
  CertificateAuthority& authority() { return authority_; }

  std::vector<std::string> TlsFlags() const {
    return {"--tls-cert", Path("server.pem"), "--tls-key", Path("server.key")};
  }

  // TLS, callers who are known by a token or a certificate, and audit.jsonl.
  std::vector<std::string> AccessFlags() const {
    std::vector<std::string> flags = TlsFlags();
    flags.insert(flags.end(), {"--access-file", Path("access.json"), "--tls-client-ca", Path("ca.pem"),
                               "--tls-client-auth", "optional", "--audit-log", Path("audit.jsonl")});
    return flags;
  }

  // TLS as a client speaks it, with `certificate` ("robot") or without one.
  std::shared_ptr<grpc::ChannelCredentials> Tls(const std::string& certificate = "") const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadFile(folder_ / "ca.pem");
    if (!certificate.empty()) {
      options.pem_cert_chain = ReadFile(folder_ / (certificate + ".pem"));
      options.pem_private_key = ReadFile(folder_ / (certificate + ".key"));
    }
    return grpc::SslCredentials(options);
  }

 private:
  const TemporaryFolder folder_;
  CertificateAuthority authority_;
};

// A server with a stand-in for its worker.
inline std::unique_ptr<Service> StartServer(const std::filesystem::path& folder,
                                            std::vector<std::string> flags) {
  flags.insert(flags.end(), {"--worker", std::filesystem::path(KPRUNE_BIN_DIR) / "fake_worker"});
  auto service = std::make_unique<Service>(KPRUNE_BIN_DIR, folder, flags);
  service->Start();
  return service;
}

// How a call of GetServerInfo ends; empty token: none.
inline grpc::Status GetServerInfo(const std::shared_ptr<grpc::Channel>& channel,
                                  const std::string& token = "") {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  if (!token.empty()) Authorize(context, token);
  v1::ServerInfo info;
  return v1::ServerService::NewStub(channel)->GetServerInfo(&context, {}, &info);
}

// A channel whose connection no other shares.
inline std::shared_ptr<grpc::Channel> NewChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_AUTH_GUARDED_SERVICE_H_
