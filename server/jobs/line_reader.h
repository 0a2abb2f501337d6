// Reads progress lines from a pipe, with a bound on time and on the length of a line.
#ifndef KPRUNE_SERVER_JOBS_LINE_READER_H_
#define KPRUNE_SERVER_JOBS_LINE_READER_H_

#include <string>

#include "absl/time/time.h"
#include "kprune/worker_launcher.h"

namespace kprune {

// Owns the descriptor. Used by one thread.
class LineReader {
 public:
  explicit LineReader(int descriptor) : descriptor_(descriptor) {}
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // The next line. A last line without a newline is what a dying worker could not finish; it is dropped.
  ProgressRead Read(absl::Duration timeout);

 private:
  // A line that is whole in buffer_, if there is one.
  bool TakeLine(ProgressRead& read);

  const int descriptor_;
  std::string buffer_;
  bool dropping_ = false;  // within a line that is too long
  bool closed_ = false;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_LINE_READER_H_
