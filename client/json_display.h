// Each event as one line of proto3 JSON with original field names, fields with zero values included.
#ifndef KPRUNE_CLIENT_JSON_DISPLAY_H_
#define KPRUNE_CLIENT_JSON_DISPLAY_H_

#include <ostream>
#include <string>

#include "client/progress_display.h"

namespace kprune::client {

// See ProgressDisplay.
class JsonDisplay : public ProgressDisplay {
 public:
  explicit JsonDisplay(std::ostream& stream) : stream_(stream) {}

  void OnEvent(const kprune::v1::Event& event) override;
  void OnNote(const std::string& text) override {}

 private:
  std::ostream& stream_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_JSON_DISPLAY_H_
