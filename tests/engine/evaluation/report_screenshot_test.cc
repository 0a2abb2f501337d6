// The report's pages in a real browser. Opt-in: skipped where there is no Chromium.
#include <cstdlib>
#include <filesystem>
#include <string>

#include "engine/evaluation/report_html.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/evaluation/example_report.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using nlohmann::json;
using ::testing::HasSubstr;

// The page itself has no script: one is added to a copy, which tells the page around it what it looks like. A
// window is never as narrow as a phone, a frame in it is.
constexpr char kProbe[] = R"(<script>
const wide = [...document.querySelectorAll('body *')].filter(e =>
    !e.closest('.scroll') && !e.closest('.plot') && e.getBoundingClientRect().right > innerWidth + 0.5);
parent.postMessage([
    'width=' + innerWidth, 'content=' + document.documentElement.scrollWidth,
    'background=' + getComputedStyle(document.body).backgroundColor,
    'beyond=' + wide.map(e => e.tagName + '.' + e.getAttribute('class')).join(',')].join(';') + ';', '*');
</script></body>)";

std::string FrameOf(int width) {
  return "<!DOCTYPE html><meta name=\"color-scheme\" content=\"light "
         "dark\"><script>addEventListener('message', "
         "e => document.body.textContent = e.data)</script><body><iframe src=\"probe.html\" width=\"" +
         std::to_string(width) + "\" height=\"2400\" style=\"border:0\"></iframe></body>";
}

class ReportScreenshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("KPRUNE_CHROMIUM");
    chromium_ = given != nullptr ? given : "/usr/bin/chromium";
    if (!fs::exists(chromium_)) {
      GTEST_SKIP()
          << "there is no " << chromium_
          << " to look at report.html with: run `scripts/setup.sh --consumers`, or set KPRUNE_CHROMIUM";
    }
  }

  // What chromium prints about the page.
  std::string Chromium(const fs::path& page, int width, bool dark, const std::string& argument) {
    testing::Process browser(
        {chromium_, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
         "--virtual-time-budget=5000", "--user-data-dir=" + (folder_ / "profile").string(),
         "--window-size=" + std::to_string(width) + ",2400",
         std::string("--blink-settings=preferredColorScheme=") + (dark ? "0" : "1"), argument,
         "file://" + page.string()},
        folder_ / "chromium");
    EXPECT_EQ(browser.Wait(), 0) << browser.Errors();
    return browser.Output();
  }

  std::string Screenshot(const fs::path& page, int width, bool dark) {
    const fs::path picture = folder_ / "page.png";
    fs::remove(picture);
    Chromium(page, width, dark, "--screenshot=" + picture.string());
    return ReadFile(picture);
  }

  const testing::TemporaryFolder folder_;
  std::string chromium_;
};

TEST_F(ReportScreenshotTest, NothingIsWiderThanAPhoneOrADesktopInLightAndDark) {
  nlohmann::json one = ExampleReport();
  one["latency_budget"] = {{"target_ms", 9},  {"predicted_ms", 8.25}, {"original_ms", 17},
                           {"batch_size", 4}, {"tokens", 25},         {"runtime", "ONNX Runtime 1.0"}};
  for (const int size : {1, 8, 32})
    one["latency"]["by_batch_size"].push_back(
        {{"batch_size", size}, {"tokens", 25}, {"original_ms", 4 * size}, {"pruned_ms", 2 * size}});
  for (const auto& [name, report] : {std::pair{"one", one}, std::pair{"several", ExampleParetoReport()}}) {
    std::string page = ReportHtml(report);
    testing::WriteFile(folder_ / "page.html", page);
    testing::WriteFile(folder_ / "probe.html", page.replace(page.find("</body>"), 7, kProbe));
    for (const int width : {390, 1200}) {
      std::string pictures[2];
      for (const bool dark : {false, true}) {
        SCOPED_TRACE(std::string(name) + " " + std::to_string(width) + (dark ? " dark" : " light"));
        testing::WriteFile(folder_ / "frame.html", FrameOf(width));
        const std::string seen = Chromium(folder_ / "frame.html", 1400, dark, "--dump-dom");
        EXPECT_THAT(seen,
                    HasSubstr("width=" + std::to_string(width) + ";content=" + std::to_string(width) + ";"));
        EXPECT_THAT(seen, HasSubstr(dark ? "background=rgb(15, 20, 25);" : "background=rgb(246, 247, 249);"));
        EXPECT_THAT(seen, HasSubstr("beyond=;"));
        pictures[dark ? 1 : 0] = Screenshot(folder_ / "page.html", width, dark);
        EXPECT_GT(pictures[dark ? 1 : 0].size(), 20'000u) << "a page with something on it";
      }
      EXPECT_NE(pictures[0], pictures[1]);
    }
  }
}

}  // namespace
}  // namespace kprune
