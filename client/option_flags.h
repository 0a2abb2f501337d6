// The flags that fill kprune.v1.Options: one table, used by `run`, `submit`, the local evaluation commands
// and --help.
#ifndef KPRUNE_CLIENT_OPTION_FLAGS_H_
#define KPRUNE_CLIENT_OPTION_FLAGS_H_

#include <string>
#include <vector>

#include "kprune/v1/job.pb.h"

namespace CLI {
class App;
}

namespace kprune::client {

// One flag and the field it sets. The value's type is the field's; a field of bytes takes a quantity
// ("4GiB"), a repeated one a list ("0.7,0.5", "onnx,dense").
struct OptionFlag {
  std::string flag;                   // "--keep-flops"
  std::string field;                  // "keep_flops"
  std::string help;                   // without the accepted values and the default
  std::vector<std::string> accepted;  // empty: any value of the type
  std::string default_text;           // what the worker uses when the flag is not given
  bool for_inference;                 // also meaningful where a model only runs (eval, compare, tokenize)
  std::string auto_field = {};  // "auto_mu": the value "auto" sets this one instead; empty: there is none
};

// Every field of kprune.v1.Options exactly once. Constant.
const std::vector<OptionFlag>& OptionFlags();

enum class OptionScope { kPruning, kInference };

// Adds the flags of that scope to `app`; parsing sets the given fields of `options` and leaves the others
// unset. `options` must outlive the parsing.
void AddOptionFlags(OptionScope scope, CLI::App& app, kprune::v1::Options& options);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_OPTION_FLAGS_H_
