#include "server/rpc/artifact_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/artifact_download.h"
#include "server/rpc/artifact_upload.h"
#include "server/rpc/refuse.h"
#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

// Enough to overlap hashing, reading and fsync of several streams; more only queue up on the disk.
constexpr int kThreads = 4;

// Whose artifact the caller is to get.
absl::StatusOr<std::string> TenantToRead(const Caller& caller, const std::string& asked) {
  if (asked.empty()) return caller.tenant;
  if (caller.Sees(asked)) return asked;
  return absl::PermissionDeniedError(
      absl::StrCat("Only an admin downloads artifacts of other tenants; leave tenant empty for those of ",
                   caller.tenant, "."));
}

}  // namespace

ArtifactServiceImpl::ArtifactServiceImpl(TenantArtifacts* artifacts, Metrics* metrics,
                                         const absl::Notification* draining, Gate* gate,
                                         absl::Duration stall_limit)
    : artifacts_(artifacts),
      metrics_(metrics),
      draining_(draining),
      gate_(gate),
      stalls_(stall_limit),
      pool_(kThreads) {}

grpc::ServerUnaryReactor* ArtifactServiceImpl::FindMissing(grpc::CallbackServerContext* context,
                                                           const v1::FindMissingRequest* request,
                                                           v1::FindMissingResponse* response) {
  const absl::StatusOr<Caller> caller = gate_->Admit(*context, "kprune.v1.ArtifactService/FindMissing");
  if (!caller.ok()) return Refuse(context, caller.status());
  if (request->sha256_size() > kMaxDigestsPerCall) {
    return Refuse(context, absl::InvalidArgumentError(absl::StrCat("sha256 has ", request->sha256_size(),
                                                                   " entries; at most ", kMaxDigestsPerCall,
                                                                   " are accepted in a call")));
  }
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  pool_.Schedule([this, reactor, request, response, tenant = caller->tenant] {
    const absl::StatusOr<ArtifactStore*> store = artifacts_->Of(tenant);
    if (!store.ok()) return reactor->Finish(ToGrpcStatus(store.status()));
    auto missing = (*store)->FindMissing({request->sha256().begin(), request->sha256().end()});
    if (missing.ok()) {
      for (std::string& sha256 : *missing) response->add_sha256(std::move(sha256));
    }
    reactor->Finish(ToGrpcStatus(missing.status()));
  });
  return reactor;
}

grpc::ServerUnaryReactor* ArtifactServiceImpl::QueryUpload(grpc::CallbackServerContext* context,
                                                           const v1::QueryUploadRequest* request,
                                                           v1::QueryUploadResponse* response) {
  const absl::StatusOr<Caller> caller =
      gate_->Admit(*context, "kprune.v1.ArtifactService/QueryUpload", request->sha256());
  if (!caller.ok()) return Refuse(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  pool_.Schedule([this, reactor, request, response, tenant = caller->tenant] {
    const absl::StatusOr<ArtifactStore*> store = artifacts_->Of(tenant);
    if (!store.ok()) return reactor->Finish(ToGrpcStatus(store.status()));
    const absl::StatusOr<UploadState> state = (*store)->Query(request->sha256());
    if (state.ok()) {
      response->set_committed_size(state->committed_bytes);
      response->set_complete(state->complete);
    }
    reactor->Finish(ToGrpcStatus(state.status()));
  });
  return reactor;
}

grpc::ServerReadReactor<v1::UploadRequest>* ArtifactServiceImpl::Upload(grpc::CallbackServerContext* context,
                                                                        v1::UploadResponse* response) {
  const absl::StatusOr<Caller> caller = gate_->Admit(*context, "kprune.v1.ArtifactService/Upload");
  if (!caller.ok()) return RefuseStream<grpc::ServerReadReactor<v1::UploadRequest>>(caller.status());
  return new UploadReactor(artifacts_, caller->tenant, metrics_, &pool_, draining_, &stalls_, gate_, context,
                           response);
}

grpc::ServerWriteReactor<v1::DownloadResponse>* ArtifactServiceImpl::Download(
    grpc::CallbackServerContext* context, const v1::DownloadRequest* request) {
  using Stream = grpc::ServerWriteReactor<v1::DownloadResponse>;
  const absl::StatusOr<Caller> caller =
      gate_->Admit(*context, "kprune.v1.ArtifactService/Download", request->sha256());
  if (!caller.ok()) return RefuseStream<Stream>(caller.status());
  const absl::StatusOr<std::string> tenant = TenantToRead(*caller, request->tenant());
  if (!tenant.ok()) return RefuseStream<Stream>(tenant.status());
  if (*tenant != caller->tenant)
    gate_->NameResource(*context, absl::StrCat("tenants/", *tenant, "/", request->sha256()));
  return new DownloadReactor(artifacts_, *tenant, metrics_, &pool_, &stalls_, context, *request);
}

}  // namespace kprune
