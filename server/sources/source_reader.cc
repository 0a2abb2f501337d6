#include "server/sources/source_reader.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr int kMostRedirects = 5;
// Failures in a row, none of which brought a byte more.
constexpr int kMostTries = 5;
constexpr absl::Duration kFirstWait = absl::Milliseconds(500);
constexpr absl::Duration kLongestWait = absl::Seconds(10);
constexpr absl::Duration kTick = absl::Milliseconds(100);
// Of an answer that is not the file: read so far, so that its connection can be used again.
constexpr int64_t kMostIgnoredBytes = 64 * 1024;

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Only a strong one says that two halves belong to the same bytes.
std::string StrongEtag(const std::string& etag) { return etag.starts_with('"') ? etag : ""; }

absl::Status TooLarge(const ByteLimit& limit, std::string_view has) {
  return absl::ResourceExhaustedError(absl::StrCat("it has ", std::string(has),
                                                   " bytes, and this server still takes ", limit.bytes,
                                                   " of this model (", std::string(limit.set_by), ")"));
}

// Puts the file's bytes into the sink and other answers nowhere.
class FileReceiver final : public HttpReceiver {
 public:
  FileReceiver(const ByteLimit& limit, ByteSink& sink) : limit_(limit), sink_(sink) {}

  absl::Status OnHead(const HttpHead& head) override {
    head_ = head;
    if (head.status == 200 && sink_.size_bytes() > 0) {
      if (absl::Status status = sink_.Restart(); !status.ok()) return status;
    }
    if (head.status == 206 && head.range_start != sink_.size_bytes())
      return absl::FailedPreconditionError("its host sent another part of the file than it was asked for");
    if (head.status == 206) sink_.Continue();
    if (!IsFile() || !head.content_length) return absl::OkStatus();
    const int64_t whole_bytes = sink_.size_bytes() + *head.content_length;
    if (whole_bytes > limit_.bytes || whole_bytes < 0) return TooLarge(limit_, absl::StrCat(whole_bytes));
    sink_.Expect(whole_bytes);
    return absl::OkStatus();
  }

  absl::Status OnBody(std::string_view bytes) override {
    const int64_t count = static_cast<int64_t>(bytes.size());
    if (!IsFile()) {
      ignored_bytes_ += count;
      return IgnoredEnough() ? absl::CancelledError("the rest is not read") : absl::OkStatus();
    }
    if (sink_.size_bytes() + count > limit_.bytes)
      return TooLarge(limit_, absl::StrCat("more than ", limit_.bytes));
    return sink_.Append(bytes);
  }

  // The status of the answer says all; its connection is not worth the rest of the body.
  bool IgnoredEnough() const { return ignored_bytes_ > kMostIgnoredBytes; }
  bool IsFile() const { return head_.status == 200 || head_.status == 206; }
  const HttpHead& head() const { return head_; }

 private:
  const ByteLimit& limit_;
  ByteSink& sink_;
  HttpHead head_;
  int64_t ignored_bytes_ = 0;
};

// An answer that is neither the file nor a redirect.
absl::Status Refusal(int status, const HttpRequest& request) {
  const bool had_credentials = !request.bearer_token.empty() || request.sign_with;
  if (status == 404 || status == 410)
    return absl::NotFoundError(absl::StrCat("it does not exist (", status, "); check spec.model_uri"));
  if ((status == 401 || status == 403) && had_credentials) {
    return absl::PermissionDeniedError(
        absl::StrCat("the credentials that this server has for it were not accepted (", status,
                     "); its operator replaces them in --model-source-tokens-file or --s3-credentials-file"));
  }
  if (status == 401 || status == 403) {
    return absl::PermissionDeniedError(absl::StrCat(
        "it wants credentials and this server has none for it (", status,
        "); its operator sets them with --model-source-tokens-file or --s3-credentials-file (and a folder "
        "must answer 404 for a file that it lacks)"));
  }
  if (status == 408 || status == 429 || status >= 500)
    return absl::UnavailableError(absl::StrCat("its host answered ", status));
  return absl::FailedPreconditionError(absl::StrCat("its host answered ", status));
}

absl::Status Named(const SourceUrl& url, const absl::Status& status, std::string_view more = "") {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("Cannot fetch ", url.Shown(), ": ", status.message(),
                                                  std::string(more), "."));
}

class TextSink final : public ByteSink {
 public:
  absl::Status Restart() override {
    text.clear();
    return absl::OkStatus();
  }
  absl::Status Append(std::string_view bytes) override {
    text += bytes;
    return absl::OkStatus();
  }
  int64_t size_bytes() const override { return static_cast<int64_t>(text.size()); }

  std::string text;
};

}  // namespace

SourceReader::SourceReader(HttpClient& client, SourceAccess access, Clock& clock, std::function<bool()> go_on)
    : client_(client),
      access_(std::move(access)),
      clock_(clock),
      go_on_(std::move(go_on)),
      random_(std::random_device()()) {}

absl::Status SourceReader::Read(const SourceUrl& url, const ByteLimit& limit, ByteSink& sink) {
  std::string etag;
  int64_t farthest = 0;
  absl::Duration wait = kFirstWait;
  for (int tries = 1;; ++tries) {
    absl::Duration retry_after = absl::ZeroDuration();
    const absl::Status status = ReadOnce(url, limit, sink, &etag, &retry_after);
    if (!absl::IsUnavailable(status)) return Named(url, status);
    if (sink.size_bytes() > farthest) {
      farthest = sink.size_bytes();
      tries = 1;
      wait = kFirstWait;
    }
    if (tries == kMostTries)
      return Named(url, status, absl::StrCat(", in ", kMostTries, " tries; retry the job later"));
    const double jitter = std::uniform_real_distribution<double>(0.5, 1)(random_);
    if (absl::Status waited = Wait(std::max(wait * jitter, retry_after)); !waited.ok()) return waited;
    wait = std::min(wait * 2, kLongestWait);
  }
}

absl::StatusOr<std::string> SourceReader::ReadText(const SourceUrl& url, const ByteLimit& limit) {
  TextSink sink;
  if (absl::Status status = Read(url, limit, sink); !status.ok()) return status;
  return std::move(sink.text);
}

absl::Status SourceReader::ReadOnce(SourceUrl url, const ByteLimit& limit, ByteSink& sink, std::string* etag,
                                    absl::Duration* retry_after) {
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    HttpRequest request = RequestTo(url);
    if (!etag->empty()) {
      request.offset = sink.size_bytes();
      request.etag = *etag;
    }
    FileReceiver receiver(limit, sink);
    const absl::Status sent = client_.Send(request, receiver, go_on_);
    const HttpHead& head = receiver.head();
    if (receiver.IsFile()) *etag = StrongEtag(head.etag);
    if (receiver.IsFile() || (!sent.ok() && !receiver.IgnoredEnough())) return sent;
    if (head.status == 416) etag->clear();  // what is here is no beginning of the file: from its first byte
    *retry_after = head.retry_after;
    if (!IsRedirect(head.status)) {
      return head.status == 416 ? absl::UnavailableError("its host answered 416")
                                : Refusal(head.status, request);
    }
    absl::StatusOr<SourceUrl> target = Follow(url, head.location);
    if (!target.ok()) return target.status();
    url = *std::move(target);
  }
  return absl::FailedPreconditionError(absl::StrCat("it redirects more than ", kMostRedirects, " times"));
}

HttpRequest SourceReader::RequestTo(const SourceUrl& url) const {
  HttpRequest request;
  request.url = url;
  request.bearer_token = access_.tokens.For(url);
  if (access_.s3 && IsWithin(url, access_.home)) {
    request.sign_with = access_.s3;
    request.region = access_.region;
  }
  return request;
}

absl::StatusOr<SourceUrl> SourceReader::Follow(const SourceUrl& from, const std::string& location) const {
  if (location.empty())
    return absl::FailedPreconditionError(
        "its host redirects without saying where; an S3 bucket of another region does so (--s3-region)");
  absl::StatusOr<SourceUrl> target = ResolveLocation(from, location);
  if (!target.ok())
    return absl::PermissionDeniedError(
        absl::StrCat("it redirects to a URL that is refused: ", target.status().message()));
  if (IsWithin(*target, access_.home) || access_.allowed.Allows(*target)) return target;
  return absl::PermissionDeniedError(
      absl::StrCat("it redirects to ", target->Origin(),
                   ", where this server's operator does not let it fetch from (--model-source-allow)"));
}

absl::Status SourceReader::Wait(absl::Duration duration) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  const absl::Time end = clock_.Steady() + duration;
  while (clock_.Steady() < end) {
    if (!go_on_()) return absl::CancelledError("The fetch was stopped.");
    clock_.WaitUntil(lock, never, std::min(end, clock_.Steady() + kTick));
  }
  return absl::OkStatus();
}

}  // namespace kprune
