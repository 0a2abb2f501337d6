#include "server/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include "absl/strings/str_cat.h"
#include "server/log.h"

namespace kprune {

void TakeLogOfGrpc() {
  gpr_set_log_function([](gpr_log_func_args* said) {
    const LogField message = {"message", said->message};
    const LogField source = {"source", absl::StrCat(said->file, ":", said->line)};
    if (said->severity == GPR_LOG_SEVERITY_ERROR) {
      LogWarning("grpc", {message, source});
    } else {
      LogInfo("grpc", {message, source});
    }
  });
}

}  // namespace kprune
