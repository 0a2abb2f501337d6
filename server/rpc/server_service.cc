#include "server/rpc/server_service.h"

#include "kprune/options.h"
#include "kprune/supported_models.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/refuse.h"

namespace kprune {

ServerServiceImpl::ServerServiceImpl(const std::vector<Device>& devices, const ServerLimits& limits,
                                     Gate& gate)
    : gate_(gate) {
  info_.set_version(KPRUNE_VERSION);
  for (const Device& device : devices) {
    v1::Device* out = info_.add_devices();
    out->set_id(device.id);
    out->set_name(device.name);
    out->set_memory_bytes(device.memory_bytes);
  }
  for (const SupportedFamily& family : kSupportedFamilies) {
    info_.add_families(family.model_type);
    v1::FamilySupport* support = info_.add_support();
    support->set_family(family.model_type);
    for (const char* task : kTasks) {
      if (HasTask(family, task)) support->add_tasks(task);
    }
    for (const char* format : kExports) {
      if (HasExport(family, format)) support->add_exports(format);
    }
  }
  for (const char* task : kTasks) info_.add_tasks(task);
  for (const char* method : kMethods) info_.add_methods(method);
  for (const std::string& source : limits.model_sources) info_.add_model_sources(source);
  v1::Limits* out = info_.mutable_limits();
  out->set_max_chunk_bytes(kMaxChunkBytes);
  out->set_max_artifact_bytes(limits.max_artifact_bytes);
  out->set_max_queued_jobs(limits.max_queued_jobs);
  out->set_max_files(limits.max_files);
}

grpc::ServerUnaryReactor* ServerServiceImpl::GetServerInfo(grpc::CallbackServerContext* context,
                                                           const v1::GetServerInfoRequest*,
                                                           v1::ServerInfo* response) {
  const absl::StatusOr<Caller> caller = gate_.Admit(*context, "kprune.v1.ServerService/GetServerInfo");
  if (!caller.ok()) return Refuse(context, caller.status());
  *response = info_;
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace kprune
