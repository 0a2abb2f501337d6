#!/usr/bin/env bash
# Puts the file system of the image into a folder: the programs, each shared library that they load or open, what those must know of the
# system, the licences of it all, and nothing else: no shell, no package manager. Runs on the Debian where `scripts/build.sh image` has
# built: the Dockerfile calls it, and so does deploy/container/build_in_bare_root.sh, which needs no container engine.
set -euo pipefail
shopt -s inherit_errexit

usage() {
  cat <<TEXT
usage: deploy/container/assemble.sh PROGRAMS ROOT

  PROGRAMS  the folder of kprune-server, kprune-worker, ...: build/image/bin
  ROOT      the folder to fill; there must be none yet

environment:
  KPRUNE_DEPS        the folder that scripts/setup.sh filled (default: .deps)
  SOURCE_DATE_EPOCH  the time of every file, in seconds since 1970 (default: 0)
TEXT
}

die() { printf 'assemble: %s\n' "$*" >&2; exit 1; }

[[ $# == 2 && $1 != --help ]] || { usage >&2; exit 3; }
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs_dir=$(realpath "$1")
root=$(realpath -m "$2")
deps=$(realpath "${KPRUNE_DEPS:-$source_dir/.deps}")
readonly source_dir programs_dir root deps
readonly DRIVER=libcuda.so.1
readonly USER_ID=10001  # of kprune; deploy/kubernetes and deploy/compose name it too
[[ ! -e $root ]] || die "there is '$root' already; remove it or name another folder"

triplet=$(gcc -print-multiarch)
readonly triplet
readonly system_dir=/usr/lib/$triplet own_dir=/usr/lib/kprune
programs=(kprune-server kprune-worker kprune kprune-exporter)

# What is opened by name at run time, so that no program's header lists it. The driver itself (libcuda.so.1) comes from the machine.
opened=("$deps/onnxruntime/libonnxruntime.so")
if [[ -f $deps/site/torch/lib/libtorch_cuda.so ]]; then
  cuda=("$deps"/site/nvidia/*/lib)
  mapfile -t -O "${#opened[@]}" opened < <(
    find "$deps/site/torch/lib" -name 'libtorch_cuda*.so' -o -name libcaffe2_nvrtc.so
    find "${cuda[@]}" -name 'libcudnn*.so.*' -o -name 'libnvrtc*.so.*' ! -name '*.alt.*')
fi

# The path of each shared library that is opened, and of those that these and the programs load, as the loader finds them here.
libraries() {
  local listing file
  listing=$(ldd "${programs[@]/#/$programs_dir/}" "${opened[@]}" | grep -v "$DRIVER => not found")
  ! grep -q 'not found' <<<"$listing" || die "the loader lacks libraries: $(grep 'not found' <<<"$listing" | sort -u)"
  {
    awk '$2 == "=>" {print $3}' <<<"$listing"
    printf '%s\n' "${opened[@]}"
  } | sort -u | while read -r file; do echo "$(realpath "${file%/*}")/${file##*/}"; done | sort -u
}

# What of our own is not found by the loader's default folders says itself where it lies.
install_programs() {
  local program
  for program in "${programs[@]}"; do
    [[ -x $programs_dir/$program ]] || die "there is no '$programs_dir/$program'; run scripts/build.sh image"
    install -D -m 755 "$programs_dir/$program" "$root/usr/bin/$program"
    strip --strip-unneeded "$root/usr/bin/$program"
    patchelf --set-rpath "\$ORIGIN/../lib/kprune" "$root/usr/bin/$program"
  done
}

# install_library FILE: wheels' libraries go to a folder of their own, the system's where Debian has them.
install_library() {
  local file=$1 target=$system_dir
  [[ $(realpath "$file") != "$deps"/* ]] || target=$own_dir
  install -D -m 644 "$file" "$root$target/${file##*/}"
  # Only what has symbols to lose: strip does not read every library of NVIDIA's.
  [[ $(readelf --section-headers --wide "$file") != *.symtab* ]] || strip --strip-unneeded "$root$target/${file##*/}"
  if [[ $target == "$own_dir" ]]; then
    # Found beside the others, whatever layout its wheel had; NVRTC opens its neighbour and names no folder for it.
    patchelf --set-rpath "\$ORIGIN" "$root$target/${file##*/}"
    sed -n "s|^$deps/||p" <<<"$(realpath "$file")" >>"$root/wheels"
  else
    package_of "$file" >>"$root/packages"
  fi
}

# package_of FILE: the Debian package that owns it. The file list of old packages still says /lib for /usr/lib.
package_of() {
  local real
  real=$(realpath "$1")
  { dpkg -S "$1" || dpkg -S "$real" || dpkg -S "${real#/usr}"; } 2>/dev/null | head -n 1 | cut -d : -f 1 | grep . ||
    die "no Debian package owns '$1'"
}

install_libraries() {
  local file files loader
  files=$(libraries)
  for file in $files; do install_library "$file"; done
  loader=$(readelf -l "$programs_dir/kprune" | sed -n 's/.*interpreter: \(.*\)].*/\1/p')
  install -D -m 755 "$loader" "$root$system_dir/${loader##*/}"
  ln -s usr/lib "$root/lib"
  if [[ $loader == /lib64/* ]]; then
    mkdir -p "$root/usr/lib64"
    ln -s "../lib/$triplet/${loader##*/}" "$root/usr/lib64/${loader##*/}"
    ln -s usr/lib64 "$root/lib64"
  fi
}

# Users, names of hosts, authorities, the name of the system, and the folders that are written to.
install_system() {
  mkdir -p "$root"/{etc/ssl/certs,tmp,var/lib,usr/share/doc,proc,sys,dev,run}
  printf 'root:x:0:0:root:/:/usr/sbin/nologin\nkprune:x:%s:%s:kprune:/var/lib/kprune:/usr/sbin/nologin\n' $USER_ID $USER_ID \
    >"$root/etc/passwd"
  printf 'root:x:0:\nkprune:x:%s:\n' $USER_ID >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  echo ca-certificates >>"$root/packages"
  # A GPU's container run-time asks debian_version where to mount the driver.
  install -m 644 /etc/debian_version "$root/etc/"
  install -D -m 644 /usr/lib/os-release "$root/usr/lib/os-release"
  ln -s ../usr/lib/os-release "$root/etc/os-release"
  chmod 1777 "$root/tmp"
  install -d -m 700 -o $USER_ID -g $USER_ID "$root/var/lib/kprune"
}

# The licence of each package and its entry in dpkg's list, where scanners for known flaws look (var/lib/dpkg/status.d).
document_packages() {
  local package
  mkdir -p "$root/var/lib/dpkg/status.d"
  while read -r package; do
    install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
    dpkg-query --status "$package" >"$root/var/lib/dpkg/status.d/$package"
  done < <(sort -u "$root/packages")
  cp -r --dereference /usr/share/common-licenses "$root/usr/share/"
  rm "$root/packages"
}

# licences_of LIBRARY: the files of its wheel that say how it may be used. LibTorch's folder has many wheels, each with a list of its files;
# of the others scripts/setup.sh keeps the licence beside the library. That of Arrow has only the licence's name, in METADATA.
licences_of() {
  local record
  if [[ $1 == site/* ]]; then
    record=$(grep --files-with-matches --line-regexp "${1#site/},.*" "$deps"/site/*.dist-info/RECORD) || return 0
    sed -nE 's#^(([^,]*/)?(licenses/[^,]*|LICENSE[^,/]*)),.*#site/\1#p' "$record"
  else
    find "$deps/${1%%/*}" -maxdepth 1 -type f \( -name 'LICENSE*' -o -name METADATA \) -printf "${1%%/*}/%f\n"
  fi
}

document_wheels() {
  local library licence licences
  while read -r library; do
    licences=$(licences_of "$library")
    [[ -n $licences ]] || die "there is no licence of '$deps/$library'; remove '$deps' and run scripts/setup.sh"
    while read -r licence; do
      install -D -m 644 "$deps/$licence" "$root/usr/share/doc/kprune/$licence"
    done <<<"$licences"
  done <"$root/wheels"
  rm "$root/wheels"
}

# starts ARGUMENT...: the image's own loader, in the image, with every symbol looked up at once.
starts() {
  local said
  said=$(LD_BIND_NOW=1 chroot "$root" "$system_dir/$(basename "$root$system_dir"/ld-linux*)" "$@" --version 2>&1) || said+=" (exit code $?)"
  [[ $said =~ ^(kprune[a-z-]* )?[0-9.]+$ ]] || die "'$*' does not start in the image: $said"
}

# Whatever is missing or was damaged shows here, not in front of a user: each program starts, and so it does with each opened library.
check() {
  local program library
  for program in "${programs[@]}"; do starts "/usr/bin/$program"; done
  for library in "${opened[@]##*/}"; do
    # What is linked to the driver can only be loaded where one is.
    [[ $(readelf --dynamic --wide "$root$own_dir/$library") == *"[$DRIVER]"* ]] || starts --preload "$own_dir/$library" /usr/bin/kprune
  done
}

report() {
  local total
  total=$(du -sk --apparent-size "$root" | cut -f 1)
  printf '%8s  %s\n' KiB 'part (apparent size)'
  (
    cd "$root"
    du -sk --apparent-size usr/bin/* "${own_dir#/}"/* "${system_dir#/}" usr/share etc var
  ) | sort -rn | awk '{printf "%8s  %s\n", $1, $2}'
  printf '%8s  %s\n' "$total" 'together'
}

umask 022
mkdir -p "$root"
install_programs
install_libraries
install_system
document_packages
document_wheels
check
find "$root" -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH:-0}" {} +
report
