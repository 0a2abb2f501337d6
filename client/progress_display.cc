#include "client/progress_display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "client/bar_display.h"
#include "client/json_display.h"
#include "client/plain_display.h"

namespace kprune::client {
namespace {

class SilentDisplay : public ProgressDisplay {
 public:
  void OnEvent(const kprune::v1::Event& event) override {}
  void OnNote(const std::string& text) override {}
};

}  // namespace

Screen Screen::OfStandardError() {
  Screen screen;
  screen.is_terminal = isatty(STDERR_FILENO) == 1;
  winsize size{};
  if (screen.is_terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    screen.columns = size.ws_col;
  }
  const char* no_color = std::getenv("NO_COLOR");
  screen.colour = screen.is_terminal && (no_color == nullptr || *no_color == '\0');
  return screen;
}

ProgressMode Resolve(ProgressMode mode, const Screen& screen) {
  if (mode != ProgressMode::kAuto) return mode;
  return screen.is_terminal ? ProgressMode::kBar : ProgressMode::kPlain;
}

std::unique_ptr<ProgressDisplay> MakeProgressDisplay(ProgressMode mode, const Screen& screen,
                                                     std::ostream& stream) {
  switch (Resolve(mode, screen)) {
    case ProgressMode::kBar:
      return std::make_unique<BarDisplay>(screen, stream);
    case ProgressMode::kJson:
      return std::make_unique<JsonDisplay>(stream);
    case ProgressMode::kNone:
      return std::make_unique<SilentDisplay>();
    default:
      return std::make_unique<PlainDisplay>(stream);
  }
}

}  // namespace kprune::client
