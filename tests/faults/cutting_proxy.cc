#include "tests/faults/cutting_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace kprune::testing {
namespace {

constexpr int kTickMs = 20;

sockaddr_in LoopbackAt(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool SendAll(int to, const char* bytes, ssize_t count) {
  while (count > 0) {
    const ssize_t sent = send(to, bytes, static_cast<size_t>(count), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= sent;
  }
  return true;
}

}  // namespace

CuttingProxy::CuttingProxy(const std::string& server, std::function<int64_t()> bytes_until_cut)
    : server_(server), bytes_until_cut_(std::move(bytes_until_cut)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = LoopbackAt(0);
  socklen_t size = sizeof address;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the proxy cannot listen");
  }
  address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  acceptor_ = std::thread([this] { Accept(); });
}

CuttingProxy::~CuttingProxy() {
  stopping_ = true;
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  close(listener_);
}

void CuttingProxy::Accept() {
  while (!stopping_) {
    pollfd waiting = {listener_, POLLIN, 0};
    if (poll(&waiting, 1, kTickMs) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int64_t bytes = bytes_until_cut_();
    connections_.emplace_back([this, client, bytes] { Serve(client, bytes); });
  }
}

void CuttingProxy::Serve(int client, int64_t bytes_left) {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = LoopbackAt(std::stoi(server_.substr(server_.rfind(':') + 1)));
  bool open = connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  std::vector<char> buffer(64 << 10);
  while (open && !stopping_) {
    pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(ends, 2, kTickMs) <= 0) continue;
    for (int i = 0; i < 2 && open; ++i) {
      if (ends[i].revents == 0) continue;
      const bool from_client = i == 0;
      size_t most = buffer.size();
      if (from_client && bytes_left >= 0) most = std::min(most, static_cast<size_t>(bytes_left) + 1);
      const ssize_t count = recv(ends[i].fd, buffer.data(), most, 0);
      open = count > 0 && SendAll(ends[1 - i].fd, buffer.data(), count);
      if (!from_client || count <= 0) continue;
      sent_bytes_ += count;
      if (bytes_left < 0) continue;
      bytes_left = std::max<int64_t>(0, bytes_left - count);
      if (bytes_left > 0) continue;
      ++cuts_;
      open = false;
    }
  }
  close(client);
  close(server);
}

}  // namespace kprune::testing
