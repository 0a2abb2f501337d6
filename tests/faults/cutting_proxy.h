// A TCP proxy on the loopback that cuts connections after so many bytes, as networks do.
#ifndef KPRUNE_TESTS_FAULTS_CUTTING_PROXY_H_
#define KPRUNE_TESTS_FAULTS_CUTTING_PROXY_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace kprune::testing {

// Serves until destroyed; one connection is one thread. Throws std::runtime_error where it cannot listen.
class CuttingProxy {
 public:
  // `bytes_until_cut` is asked, on the proxy's threads but one at a time, for every connection: after so many
  // bytes from the client it is closed on both sides. Below 0: never.
  CuttingProxy(const std::string& server, std::function<int64_t()> bytes_until_cut);
  ~CuttingProxy();

  const std::string& address() const { return address_; }
  int cuts() const { return cuts_; }
  // Bytes that went from clients to the server.
  int64_t sent_bytes() const { return sent_bytes_; }

 private:
  void Accept();
  void Serve(int client, int64_t bytes_left);

  const std::string server_;
  const std::function<int64_t()> bytes_until_cut_;
  int listener_ = -1;
  std::string address_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> cuts_ = 0;
  std::atomic<int64_t> sent_bytes_ = 0;
  std::vector<std::thread> connections_;  // of the accepting thread until that has ended
  std::thread acceptor_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_CUTTING_PROXY_H_
