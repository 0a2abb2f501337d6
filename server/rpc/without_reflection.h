// Turns gRPC reflection off for one server: gRPC's library turns it on for every server of a program that
// links it.
#ifndef KPRUNE_SERVER_RPC_WITHOUT_REFLECTION_H_
#define KPRUNE_SERVER_RPC_WITHOUT_REFLECTION_H_

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/impl/server_builder_option.h>

#include <memory>
#include <string>
#include <vector>

namespace kprune {

// Give it to grpc::ServerBuilder::SetOption.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const std::string reflection = grpc::reflection::ProtoServerReflectionPlugin().name();
    std::erase_if(*plugins, [&](const auto& plugin) { return plugin->name() == reflection; });
  }
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_WITHOUT_REFLECTION_H_
