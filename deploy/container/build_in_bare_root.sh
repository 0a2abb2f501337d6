#!/usr/bin/env bash
# Builds the image's file system without a container engine: in a folder with nothing but Debian 12's smallest system, by the same three
# commands as the Dockerfile. As root, with debootstrap installed.
set -euo pipefail

usage() {
  cat <<TEXT
usage: deploy/container/build_in_bare_root.sh [OPTION]... BARE

  BARE                 the folder of the bare Debian; it is made where it is missing and used again where it is there.
                       The image's file system comes to lie in BARE/image.

  --cuda               the CUDA variant: some 3 GB to fetch, 10 GB in BARE
  --mirror URL         the Debian mirror that debootstrap takes (default: its own)
  --sources FILE       a sources file of apt for the bare Debian (default: what debootstrap writes)
  --at FOLDER          where the sources lie in the bare Debian (default: /src)
  --bind FROM:TO       mount FROM as TO in the bare Debian, such as a cache of ccache; may be given again
TEXT
}

die() { printf 'build_in_bare_root: %s\n' "$*" >&2; exit 1; }

# The mounts below end with this namespace.
[[ ${1:-} == --in-namespace ]] || exec unshare --mount "$0" --in-namespace "$@"
shift

mirror='' sources='' at=/src binds=() setup_flags=(--programs)
while (($#)); do
  case $1 in
    --cuda) setup_flags+=(--cuda); shift ;;
    --mirror) mirror=$2; shift 2 ;;
    --sources) sources=$2; shift 2 ;;
    --at) at=$2; shift 2 ;;
    --bind) binds+=("$2"); shift 2 ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; die "unknown argument '$1'" ;;
    *) break ;;
  esac
done
[[ $# == 1 ]] || { usage >&2; exit 3; }
((EUID == 0)) || die "needs root: it makes a system and changes into it"
bare=$(realpath -m "$1")
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly bare source_dir at

[[ -f $bare/etc/debian_version ]] ||
  debootstrap --variant=minbase --include=ca-certificates bookworm "$bare" ${mirror:+"$mirror"} >&2
if [[ -n $sources ]]; then
  install -m 644 "$sources" "$bare/etc/apt/sources.list.d/debian.sources"
  rm -f "$bare/etc/apt/sources.list"
fi
cp --dereference /etc/resolv.conf "$bare/etc/resolv.conf"

# What COPY takes: the tracked files as they are now.
mkdir -p "$bare$at"
git -C "$source_dir" ls-files -z | tar -C "$source_dir" --null --files-from - -c | tar -C "$bare$at" -x --no-same-owner

mount -t proc proc "$bare/proc"
mount --rbind /dev "$bare/dev"
for pair in "${binds[@]}"; do
  mkdir -p "$bare${pair#*:}"
  mount --bind "${pair%%:*}" "$bare${pair#*:}"
done

inside() { chroot "$bare" env --chdir="$at" "$@"; }
inside scripts/setup.sh "${setup_flags[@]}"
inside scripts/build.sh image
rm -rf "$bare/image"
inside deploy/container/assemble.sh build/image/bin /image
