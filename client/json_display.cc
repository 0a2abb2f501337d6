#include "client/json_display.h"

#include "client/json_text.h"

namespace kprune::client {

void JsonDisplay::OnEvent(const kprune::v1::Event& event) {
  stream_ << ToJson(event, JsonStyle::kLine) << "\n" << std::flush;
}

}  // namespace kprune::client
