#include "tests/support/service.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace kprune::testing {
namespace {

constexpr char kAnyPort[] = "127.0.0.1:0";

// "127.0.0.1" and a port as text.
std::string Loopback(const std::string& port) {
  return "127.0.0.1:" + port.substr(0, port.find_first_not_of("0123456789"));
}

int ConnectTo(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &target.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&target), sizeof(target)) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

}  // namespace

Service::Service(std::filesystem::path programs, std::filesystem::path folder, std::vector<std::string> flags)
    : programs_(std::move(programs)), folder_(std::move(folder)), flags_(std::move(flags)) {}

void Service::Start() {
  const std::filesystem::path port_file = folder_ / "port", metrics_port_file = folder_ / "metrics-port";
  std::filesystem::remove(port_file);
  std::filesystem::remove(metrics_port_file);
  std::vector<std::string> command = {programs_ / "kprune-server",
                                      "--data-dir",
                                      folder_ / "data",
                                      "--listen",
                                      address_.empty() ? kAnyPort : address_,
                                      "--port-file",
                                      port_file,
                                      "--metrics-listen",
                                      kAnyPort,
                                      "--metrics-port-file",
                                      metrics_port_file};
  command.insert(command.end(), flags_.begin(), flags_.end());
  server_ = std::make_unique<Process>(command, folder_ / ("server-" + std::to_string(++starts_)));
  const auto ready = [&] { return !ReadFile(port_file).empty() && !ReadFile(metrics_port_file).empty(); };
  if (!Eventually([&] { return ready() || !server_->Running(); }) || !ready()) {
    throw std::runtime_error("the server did not come up:\n" + Log());
  }
  address_ = Loopback(ReadFile(port_file));
  metrics_address_ = Loopback(ReadFile(metrics_port_file));
}

void Service::Crash() {
  server_->Signal(SIGKILL);
  if (!server_->Wait()) throw std::runtime_error("the server survived SIGKILL");
}

int Service::Drain() {
  server_->Signal(SIGTERM);
  const std::optional<int> status = server_->Wait();
  if (!status) throw std::runtime_error("the server did not end after SIGTERM:\n" + Log());
  return *status;
}

std::unique_ptr<Process> Service::StartClient(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {programs_ / "kprune"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return std::make_unique<Process>(command, folder_ / ("client-" + std::to_string(++clients_)),
                                   Process::Environment{{"KPRUNE_SERVER", address_}, {"NO_COLOR", "1"}});
}

Finished Service::Client(const std::vector<std::string>& arguments) {
  const std::unique_ptr<Process> client = StartClient(arguments);
  const std::optional<int> status = client->Wait();
  if (!status)
    throw std::runtime_error("kprune " + arguments[0] + " did not end:\n" + client->Errors() + Log());
  return {*status, client->Output(), client->Errors()};
}

std::string Service::Metrics() const { return HttpGet(metrics_address_, "/metrics"); }

std::string Service::Log() const {
  const std::filesystem::path log = folder_ / ("server-" + std::to_string(starts_));
  return ReadFile(log.string() + ".out") + ReadFile(log.string() + ".err");
}

std::string HttpGet(const std::string& address, const std::string& path) {
  const int fd = ConnectTo(address);
  if (fd < 0) return "";
  const std::string request =
      "GET " + path + " HTTP/1.0\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
  std::string reply;
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t count; (count = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
      reply.append(buffer, static_cast<size_t>(count));
  }
  close(fd);
  const size_t body = reply.find("\r\n\r\n");
  return body == std::string::npos ? "" : reply.substr(body + 4);
}

}  // namespace kprune::testing
