// Runs something in a process of its own that a cage is closed around.
#ifndef KPRUNE_TESTS_CAGE_CAGED_PROCESS_H_
#define KPRUNE_TESTS_CAGE_CAGED_PROCESS_H_

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "cage/cage.h"

namespace kprune::testing {

// "ok" where `result` is no failure, else errno's name: what a call came to.
inline std::string CameTo(long result) { return result >= 0 ? "ok" : strerrorname_np(errno); }

// Forks, runs `act` in the child and returns its text; says so where the child did not get to an end.
inline std::string InChild(const std::function<std::string()>& act) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    const std::string text = act();
    const bool told = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char bytes[4096];
  for (ssize_t count; (count = read(ends[0], bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<size_t>(count));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return absl::StrCat("ended by signal ", WTERMSIG(status));
  return status == 0 ? text : absl::StrCat("exit status ", WEXITSTATUS(status));
}

// The same, caged. The child has one thread and need not start again.
inline std::string InCage(const CagePlan& plan, const CageSupport& support,
                          const std::function<std::string()>& act) {
  return InChild([&] {
    absl::Status closed = FencePlaces(plan, support);
    if (closed.ok()) closed = FenceSystemCalls(plan.gpu, support);
    return closed.ok() ? act() : closed.ToString();
  });
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_CAGE_CAGED_PROCESS_H_
