// Hosts without a network: what URLs answer is a table, and every request is kept.
#ifndef KPRUNE_TESTS_FAKES_IN_MEMORY_HTTP_HOST_H_
#define KPRUNE_TESTS_FAKES_IN_MEMORY_HTTP_HOST_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/sources/http_client.h"

namespace kprune {

struct InMemoryAnswer {
  std::string body;
  int status = 200;
  std::string etag;
  std::string location;
  absl::Duration retry_after = absl::ZeroDuration();
  bool declares_length = true;
  // Breaks the connection after so many bytes of the body; negative: not.
  int64_t cut = -1;
  // Never answers until it is told to stop.
  bool hangs = false;
  // In place of an answer.
  absl::Status failure;
};

// Thread-safe; must outlive its clients.
class InMemoryHttpHost {
 public:
  // What the URL answers, one after the other; the last one again and again. Others answer 404.
  void Serve(const std::string& url, std::deque<InMemoryAnswer> answers) {
    std::lock_guard lock(mutex_);
    answers_[url] = std::move(answers);
  }

  std::unique_ptr<HttpClient> MakeClient() { return std::make_unique<Client>(*this); }

  std::vector<HttpRequest> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

  // The URLs that were asked for, in order.
  std::vector<std::string> urls() const {
    std::vector<std::string> urls;
    for (const HttpRequest& request : requests()) urls.push_back(request.url.Text());
    return urls;
  }

 private:
  class Client final : public HttpClient {
   public:
    explicit Client(InMemoryHttpHost& host) : host_(host) {}

    absl::Status Send(const HttpRequest& request, HttpReceiver& receiver,
                      const std::function<bool()>& go_on) override {
      const InMemoryAnswer answer = host_.Take(request);
      while (answer.hangs && go_on()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (!go_on()) return absl::CancelledError("the fetch was stopped");
      if (!answer.failure.ok()) return answer.failure;
      const bool rest = request.offset > 0 && answer.status == 200 && request.etag == answer.etag;
      const std::string body = answer.body.substr(rest ? static_cast<size_t>(request.offset) : 0);
      HttpHead head;
      head.status = rest ? 206 : answer.status;
      head.range_start = rest ? request.offset : 0;
      if (answer.declares_length) head.content_length = static_cast<int64_t>(body.size());
      head.etag = answer.etag;
      head.location = answer.location;
      head.retry_after = answer.retry_after;
      if (absl::Status status = receiver.OnHead(head); !status.ok()) return status;
      const size_t sent =
          answer.cut < 0 ? body.size() : std::min(body.size(), static_cast<size_t>(answer.cut));
      if (sent > 0) {
        if (absl::Status status = receiver.OnBody(body.substr(0, sent)); !status.ok()) return status;
      }
      if (sent < body.size())
        return absl::UnavailableError("the connection ended before the whole file was there");
      return absl::OkStatus();
    }

   private:
    InMemoryHttpHost& host_;
  };

  InMemoryAnswer Take(const HttpRequest& request) {
    std::lock_guard lock(mutex_);
    requests_.push_back(request);
    const auto place = answers_.find(request.url.Text());
    if (place == answers_.end()) return {.body = "no such file", .status = 404};
    InMemoryAnswer answer = place->second.front();
    if (place->second.size() > 1) place->second.pop_front();
    return answer;
  }

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, std::deque<InMemoryAnswer>> answers_;
  std::vector<HttpRequest> requests_;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_IN_MEMORY_HTTP_HOST_H_
