// Reads files of one source over HTTP as its rules allow: follows redirects only to where the operator
// allows, sends credentials only where they belong, holds answers to a limit, tries again after what may pass
// (with growing, jittered waits), and goes on at the byte where a transfer broke off.
#ifndef KPRUNE_SERVER_SOURCES_SOURCE_READER_H_
#define KPRUNE_SERVER_SOURCES_SOURCE_READER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kprune/clock.h"
#include "server/sources/http_client.h"
#include "server/sources/source_allow_list.h"
#include "server/sources/source_credentials.h"

namespace kprune {

// What a reader may do.
struct SourceAccess {
  // Redirects may lead to what is within `home` or allowed, and nowhere else.
  SourceUrl home;
  SourceAllowList allowed;
  BearerTokens tokens;
  // Signs requests within `home` and no others.
  std::optional<S3Credentials> s3;
  std::string region;
};

// Takes the bytes of a file, in order. Errors end the reading.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // Forgets what it took: the file comes again from its first byte.
  virtual absl::Status Restart() = 0;
  // What comes is the rest of what it took.
  virtual void Continue() {}
  virtual absl::Status Append(std::string_view bytes) = 0;
  virtual int64_t size_bytes() const = 0;
  // The size that the whole file will have, where its host says so.
  virtual void Expect(int64_t /*whole_bytes*/) {}
};

// The most bytes that a file may have, and what says so, for the message: "--max-model-bytes".
struct ByteLimit {
  int64_t bytes = 0;
  std::string_view set_by;
};

// Used by one thread.
class SourceReader {
 public:
  // Borrows `client` and `clock`. `go_on` is asked at least ten times a second while something is read or
  // waited for; where it says false, reading ends with CANCELLED.
  SourceReader(HttpClient& client, SourceAccess access, Clock& clock, std::function<bool()> go_on);

  // Reads a file. One sentence that names its URL: NOT_FOUND, PERMISSION_DENIED (credentials; a redirect or
  // an address that is not allowed), RESOURCE_EXHAUSTED (over the limit, declared or not), UNAVAILABLE (after
  // several tries), FAILED_PRECONDITION (what else the host says), CANCELLED, or the sink's own error.
  absl::Status Read(const SourceUrl& url, const ByteLimit& limit, ByteSink& sink);

  // The same, to a text.
  absl::StatusOr<std::string> ReadText(const SourceUrl& url, const ByteLimit& limit);

 private:
  // One try: every redirect until an answer. `etag` is that of what the sink holds.
  absl::Status ReadOnce(SourceUrl url, const ByteLimit& limit, ByteSink& sink, std::string* etag,
                        absl::Duration* retry_after);
  // The request to `url`, with the credentials that belong to it.
  HttpRequest RequestTo(const SourceUrl& url) const;
  // Where a redirect leads, or why it must not be followed.
  absl::StatusOr<SourceUrl> Follow(const SourceUrl& from, const std::string& location) const;
  absl::Status Wait(absl::Duration duration);

  HttpClient& client_;
  const SourceAccess access_;
  Clock& clock_;
  const std::function<bool()> go_on_;
  std::minstd_rand random_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_SOURCE_READER_H_
