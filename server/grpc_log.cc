#include "server/grpc_log.h"

#include <grpc/support/log.h>

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/line_budget.h"
#include "server/log.h"

namespace kprune {
namespace {

// Anybody who reaches the port can make gRPC say that a handshake failed, as often as they like. Each place
// has a budget of its own, so that what one of them repeats hides nothing that others say.
class BoundedLog {
 public:
  void Write(const gpr_log_func_args& said) {
    const std::string source = absl::StrCat(said.file, ":", said.line);
    const LineBudget::Ruling ruling = Rule(source);
    if (ruling.held_back > 0)
      LogWarning("grpc-held-back", {{"lines", absl::StrCat(ruling.held_back)}, {"source", source}});
    if (ruling.first_held_back)
      LogWarning("grpc-flood", {{"lines_a_second", absl::StrCat(kGrpcLinesASecond)}, {"source", source}});
    if (!ruling.write) return;
    const LogFields fields = {{"message", said.message}, {"source", source}};
    // Its errors are mostly those of whoever is at the other end.
    if (said.severity == GPR_LOG_SEVERITY_ERROR) {
      LogWarning("grpc", fields);
    } else {
      LogInfo("grpc", fields);
    }
  }

 private:
  LineBudget::Ruling Rule(const std::string& source) {
    const absl::MutexLock lock(&mutex_);
    return budgets_.try_emplace(source, kGrpcLinesASecond).first->second.Ask(absl::Now());
  }

  absl::Mutex mutex_;
  std::map<std::string, LineBudget> budgets_ ABSL_GUARDED_BY(mutex_);  // by place: gRPC has so many
};

}  // namespace

void TakeLogOfGrpc() {
  gpr_set_log_function([](gpr_log_func_args* said) {
    static BoundedLog& log = *new BoundedLog;  // for threads of gRPC that outlive main
    log.Write(*said);
  });
}

}  // namespace kprune
