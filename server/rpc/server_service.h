// kprune.v1.ServerService: what this server is and can do. The answer is made once, at the start.
#ifndef KPRUNE_SERVER_RPC_SERVER_SERVICE_H_
#define KPRUNE_SERVER_RPC_SERVER_SERVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kprune/v1/server_service.grpc.pb.h"
#include "server/devices.h"
#include "server/rpc/gate.h"

namespace kprune {

struct ServerLimits {
  int64_t max_artifact_bytes = 0;
  int64_t max_queued_jobs = 0;
  int64_t max_files = 0;
  std::vector<std::string> model_sources;  // what a model_uri may begin with
};

// Thread-safe: immutable after construction. Borrows `gate`.
class ServerServiceImpl final : public v1::ServerService::CallbackService {
 public:
  ServerServiceImpl(const std::vector<Device>& devices, const ServerLimits& limits, Gate& gate);

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;

 private:
  Gate& gate_;
  v1::ServerInfo info_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_SERVER_SERVICE_H_
