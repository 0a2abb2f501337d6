#include "server/rpc/artifact_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/artifact_download.h"
#include "server/rpc/artifact_upload.h"
#include "server/rpc/status_mapping.h"

namespace kprune {
namespace {

// Enough to overlap hashing, reading and fsync of several streams; more only queue up on the disk.
constexpr int kThreads = 4;

}  // namespace

ArtifactServiceImpl::ArtifactServiceImpl(ArtifactStore* store, Metrics* metrics,
                                         const absl::Notification* draining, absl::Duration stall_limit)
    : store_(store), metrics_(metrics), draining_(draining), stalls_(stall_limit), pool_(kThreads) {}

grpc::ServerUnaryReactor* ArtifactServiceImpl::FindMissing(grpc::CallbackServerContext* context,
                                                           const v1::FindMissingRequest* request,
                                                           v1::FindMissingResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (request->sha256_size() > kMaxDigestsPerCall) {
    reactor->Finish(ToGrpcStatus(
        absl::InvalidArgumentError(absl::StrCat("sha256 has ", request->sha256_size(), " entries; at most ",
                                                kMaxDigestsPerCall, " are accepted in a call"))));
    return reactor;
  }
  pool_.Schedule([this, reactor, request, response] {
    auto missing = store_->FindMissing({request->sha256().begin(), request->sha256().end()});
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
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  pool_.Schedule([this, reactor, request, response] {
    const absl::StatusOr<UploadState> state = store_->Query(request->sha256());
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
  return new UploadReactor(store_, metrics_, &pool_, draining_, &stalls_, context, response);
}

grpc::ServerWriteReactor<v1::DownloadResponse>* ArtifactServiceImpl::Download(
    grpc::CallbackServerContext* context, const v1::DownloadRequest* request) {
  return new DownloadReactor(store_, metrics_, &pool_, &stalls_, context, *request);
}

}  // namespace kprune
