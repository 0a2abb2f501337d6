// How uploads and downloads are shown.
#ifndef KPRUNE_CLIENT_TRANSFER_DISPLAY_H_
#define KPRUNE_CLIENT_TRANSFER_DISPLAY_H_

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "client/progress_display.h"

namespace kprune::client {

// A redrawn bar on a terminal, one line a file elsewhere, nothing with kJson and kNone. Not thread-safe.
class TransferDisplay {
 public:
  using Now = std::function<absl::Time()>;

  // `verb`: "upload" or "download".
  TransferDisplay(std::string verb, ProgressMode mode, const Screen& screen, std::ostream& stream, Now now);

  // Begins a file of `total` bytes of which `done` are already there.
  void Begin(const std::string& name, int64_t done, int64_t total);
  void Advance(int64_t done);
  // Ends it: the file is complete.
  void End();
  // Ends a redrawn line after a failure.
  void Close();
  // A line of its own ("3 files are already stored").
  void Note(const std::string& text);

 private:
  std::string Rate() const;
  std::string TimeLeft() const;  // with what goes before it; empty where it is not known

  const std::string verb_;
  const ProgressMode mode_;
  const Screen screen_;
  std::ostream& stream_;
  const Now now_;

  std::string name_;
  int64_t first_ = 0;  // bytes that were there before
  int64_t done_ = 0;
  int64_t total_ = 0;
  absl::Time start_;
  absl::Time last_drawn_ = absl::InfinitePast();
  bool drawn_ = false;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_TRANSFER_DISPLAY_H_
