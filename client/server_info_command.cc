// kprune server-info: what a server is and can do.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/command.h"
#include "client/connection.h"
#include "client/json_text.h"
#include "client/quantities.h"
#include "client/text_table.h"

namespace kprune::client {
namespace {

namespace v1 = kprune::v1;

struct ServerInfoFlags {
  ServerFlags server;
  TextFormat format = TextFormat::kText;
};

// A row for each family, a column for each task.
std::string SupportText(const v1::ServerInfo& info) {
  std::vector<std::string> header = {"family"};
  header.insert(header.end(), info.tasks().begin(), info.tasks().end());
  header.push_back("export");
  TextTable table(header);
  for (const v1::FamilySupport& support : info.support()) {
    std::vector<std::string> row = {support.family()};
    for (const std::string& task : info.tasks()) {
      const bool has =
          std::find(support.tasks().begin(), support.tasks().end(), task) != support.tasks().end();
      row.push_back(has ? "yes" : "-");
    }
    row.push_back(absl::StrJoin(support.exports(), ","));
    table.AddRow(row);
  }
  return table.ToString();
}

std::string InfoText(const v1::ServerInfo& info) {
  TextTable table;
  table.AddRow({"version", info.version()});
  for (const v1::Device& device : info.devices()) {
    const std::string memory = FormatBytes(static_cast<double>(device.memory_bytes()));
    table.AddRow({"device", absl::StrCat(device.id(), ": ", device.name(), ", ", memory)});
  }
  table.AddRow({"methods", absl::StrJoin(info.methods(), ", ")});
  table.AddRow({"largest file", FormatBytes(static_cast<double>(info.limits().max_artifact_bytes()))});
  table.AddRow({"queue", absl::StrCat("at most ", info.limits().max_queued_jobs(), " jobs")});
  if (!info.model_sources().empty())
    table.AddRow({"fetches models from", absl::StrJoin(info.model_sources(), ", ")});
  return absl::StrCat(table.ToString(), "\n", SupportText(info));
}

absl::Status PrintServerInfo(const ServerInfoFlags& flags, Session& session) {
  const auto opened = Connection::Open(flags.server, session.interrupt);
  if (!opened.ok()) return opened.status();
  const Connection& connection = **opened;
  CallContext context(connection, CallContext::Kind::kUnary);
  v1::ServerInfo info;
  const absl::Status status =
      connection.Explain(connection.server().GetServerInfo(context.get(), v1::GetServerInfoRequest(), &info));
  if (!status.ok()) return status;
  session.out << (flags.format == TextFormat::kJson ? ToJson(info, JsonStyle::kPretty) : InfoText(info));
  return absl::OkStatus();
}

}  // namespace

void AddServerInfoCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<ServerInfoFlags>();
  CLI::App* command = app.add_subcommand("server-info", "Show what a server is and can do");
  AddServerFlags(*command, flags->server);
  AddFormatFlag(*command, flags->format);
  command->footer("Example:\n  kprune server-info --server 127.0.0.1:8470");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return PrintServerInfo(*flags, session); }; });
}

}  // namespace kprune::client
