#!/usr/bin/env bash
# Sets the machine up where needed, then configures and builds a CMake preset: scripts/build.sh [release|dev|engine|image|fuzz]
set -euo pipefail

preset=${1:-release}
[[ -z "${KPRUNE_DEPS:-}" ]] || KPRUNE_DEPS=$(realpath -m "$KPRUNE_DEPS")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
setup_flags=()
[[ "$preset" != image ]] || setup_flags=(--programs)
bash scripts/setup.sh "${setup_flags[@]}"

# A compiler that includes LibTorch needs some 1.5 GB: as many at once as processors and free memory allow.
free_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
jobs=$((free_kib / 1572864))
((jobs <= $(nproc))) || jobs=$(nproc)
((jobs >= 1)) || jobs=1

cmake --preset "$preset" ${KPRUNE_DEPS:+-DKPRUNE_DEPS="$KPRUNE_DEPS"}
cmake --build --preset "$preset" --parallel "$jobs"
