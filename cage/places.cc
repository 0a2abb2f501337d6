#include "cage/places.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kprune/worker_protocol.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

// Of versions later than the header's may be.
constexpr uint64_t kTruncate = 1ull << 14, kDeviceControl = 1ull << 15;  // versions 3 and 5
constexpr uint64_t kBindTcp = 1ull << 0, kConnectTcp = 1ull << 1;        // version 4
constexpr uint64_t kAbstractSockets = 1ull << 0, kSignals = 1ull << 1;   // version 6
struct Ruleset {
  uint64_t files = 0, network = 0, scopes = 0;
};

// Every access that version 1 or 2 knows.
constexpr uint64_t kAllOfVersion2 = (LANDLOCK_ACCESS_FS_REFER << 1) - 1;
constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kMove = LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                           LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                           LANDLOCK_ACCESS_FS_REFER;
constexpr uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
// What may be asked of a file; the rest is of folders.
constexpr uint64_t kOfFiles =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | kWrite | kDeviceControl;

Ruleset Handled(int version) {
  Ruleset handled;
  handled.files = kAllOfVersion2;
  if (version >= 3) handled.files |= kTruncate;
  if (version >= 4) handled.network = kBindTcp | kConnectTcp;
  if (version >= 5) handled.files |= kDeviceControl;
  if (version >= 6) handled.scopes = kAbstractSockets | kSignals;
  return handled;
}

absl::Status RuleError(const fs::path& path) {
  return absl::InternalError(
      absl::StrCat("places cannot be fenced: ", path.string(), ": ", std::generic_category().message(errno)));
}

// The rules that take effect together.
class Places {
 public:
  explicit Places(int version)
      : handled_(Handled(version)),
        descriptor_(static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled_, sizeof handled_, 0))) {}
  ~Places() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  // Of what is not there nothing can be reached.
  absl::Status Allow(const fs::path& path, uint64_t access) {
    const int place = open(path.c_str(), O_PATH | O_CLOEXEC);
    if (place < 0) return absl::OkStatus();
    struct stat status = {};
    const bool known = fstat(place, &status) == 0;
    if (!S_ISDIR(status.st_mode)) access &= kOfFiles;
    const landlock_path_beneath_attr rule = {access & handled_.files, place};
    const bool added =
        known && syscall(SYS_landlock_add_rule, descriptor_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    const absl::Status result = added ? absl::OkStatus() : RuleError(path);
    close(place);
    return result;
  }

  absl::Status Close() {
    if (descriptor_ >= 0 && syscall(SYS_landlock_restrict_self, descriptor_, 0) == 0) return absl::OkStatus();
    return RuleError("all rules");
  }

 private:
  const Ruleset handled_;
  const int descriptor_;
};

// The character devices of NVIDIA's driver, which come and go with it.
std::vector<fs::path> GpuDevices() {
  std::vector<fs::path> devices;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator("/dev", error)) {
    if (entry.path().filename().string().rfind("nvidia", 0) == 0) devices.push_back(entry.path());
  }
  return devices;
}

int AddFolder(dl_phdr_info* library, size_t, void* folders) {
  const fs::path path = library->dlpi_name;
  if (!path.is_absolute()) return 0;
  static_cast<std::set<fs::path>*>(folders)->insert(path.parent_path());
  // LibTorch is in site-packages/torch/lib, and CUDA's parts, loaded later, in site-packages/nvidia.
  if (path.parent_path().parent_path().filename() == "torch")
    static_cast<std::set<fs::path>*>(folders)->insert(path.parent_path() / "../../nvidia");
  return 0;
}

// Of this program, which is the first that is told of: the loader that starts it.
int FindLoader(dl_phdr_info* program, size_t, void* loader) {
  for (int i = 0; i < program->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = program->dlpi_phdr[i];
    if (part.p_type == PT_INTERP)
      *static_cast<fs::path*>(loader) = reinterpret_cast<const char*>(program->dlpi_addr + part.p_vaddr);
  }
  return 1;
}

}  // namespace

int LandlockVersion() {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? static_cast<int>(version) : 0;
}

absl::Status RestrictPlaces(const CagePlan& plan, int version) {
  Places places(version);
  absl::Status status = places.Allow(plan.job_directory, kRead | kMove);
  status.Update(places.Allow(plan.job_directory / kScratchDirectory, kRead | kMove | kWrite));
  for (const fs::path& path : plan.readable) status.Update(places.Allow(path, kRead));
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/full"})
    status.Update(places.Allow(device, kRead | kWrite));
  for (const char* device : {"/dev/random", "/dev/urandom"}) status.Update(places.Allow(device, kRead));
  fs::path loader;
  dl_iterate_phdr(FindLoader, &loader);
  for (const fs::path& program : {fs::path("/proc/self/exe"), loader})
    status.Update(places.Allow(program, LANDLOCK_ACCESS_FS_EXECUTE | kRead));
  if (plan.gpu) {
    for (const fs::path& device : GpuDevices())
      status.Update(places.Allow(device, kRead | kWrite | kDeviceControl));
  }
  return status.ok() ? places.Close() : status;
}

std::vector<fs::path> PlacesOfThisProgram() {
  std::set<fs::path> folders = {
      "/usr",  "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/openssl.cnf",
      "/proc", "/sys"};
  dl_iterate_phdr(AddFolder, &folders);
  if (const char* path = std::getenv("LD_LIBRARY_PATH"); path != nullptr) {
    for (const absl::string_view folder : absl::StrSplit(path, ':', absl::SkipEmpty()))
      folders.insert(std::string(folder));
  }
  return {folders.begin(), folders.end()};
}

}  // namespace kprune
