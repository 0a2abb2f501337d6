// Which places of the file system a caged worker may reach, as rules of Landlock; with newer versions also no
// TCP, no abstract sockets and no signals to processes outside.
#ifndef KPRUNE_CAGE_PLACES_H_
#define KPRUNE_CAGE_PLACES_H_

#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "cage/cage.h"

namespace kprune {

// The version of the interface that this kernel has; 0: none.
int LandlockVersion();

// Limits the calling thread, and all that it starts, to the places of `plan` and the devices that every
// program may use, for good; to start this program again, as long as it may start any, is left. Needs
// no_new_privs. INTERNAL: a rule was refused.
absl::Status RestrictPlaces(const CagePlan& plan, int version);

// What this program reads beside its job: the system's libraries and their settings, the folders of the
// libraries that it has loaded, of those that Python's wheels put beside them for GPUs, and of
// LD_LIBRARY_PATH, and what the kernel tells about the machine.
std::vector<std::filesystem::path> PlacesOfThisProgram();

}  // namespace kprune

#endif  // KPRUNE_CAGE_PLACES_H_
