#!/usr/bin/env bash
# Runs an image's file system as a container engine would: a read-only root, the unprivileged user, no capability to gain, state and
# /tmp mounted; then a real job through it, with the client of the same image. As root.
set -euo pipefail

usage() {
  cat <<TEXT
usage: deploy/container/try_image.sh [--mutual-tls] ROOT MODEL DATA

  ROOT          the folder that assemble.sh filled
  MODEL, DATA   a model folder and a file of samples, such as .deps/models/all-minilm-l6-v2 and examples/sentences.jsonl
  --mutual-tls  server and client show certificates, and the access file says whose they are
TEXT
}

die() { printf 'try_image: %s\n' "$*" >&2; exit 1; }

# The mounts below end with this namespace.
[[ ${1:-} == --in-namespace ]] || exec unshare --mount "$0" --in-namespace "$@"
shift
mutual_tls=no
[[ ${1:-} != --mutual-tls ]] || { mutual_tls=yes; shift; }
[[ $# == 3 && $1 != -* ]] || { usage >&2; exit 3; }
((EUID == 0)) || die "needs root: it mounts and becomes another user"
root=$(realpath "$1")
readonly USER_ID=10001
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kprune-image-XXXXXX")
chmod 711 "$work"
server=

stop() {
  [[ -z $server ]] || ! kill -TERM "$server" 2>/dev/null || wait "$server" || true
  rm -rf "$work"
}
trap stop EXIT

mount --bind "$root" "$root"
install -d -m 700 -o $USER_ID -g $USER_ID "$work/state"
mount --bind "$work/state" "$root/var/lib/kprune"
mount -t tmpfs -o mode=1777,size=1g tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mount -t proc proc "$root/proc"
for device in null zero full random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/run/model" "$root/run/data"
mount --bind -o ro "$2" "$root/run/model"
cp "$3" "$root/run/data/samples.${3##*.}"

# The environment that the Dockerfile gives, with ports of this machine's loopback alone: any free ones.
environment=(KPRUNE_LISTEN=127.0.0.1:0 KPRUNE_METRICS_LISTEN=127.0.0.1:0 KPRUNE_HEALTH_LISTEN=127.0.0.1:0 TMPDIR=/tmp
  KPRUNE_PORT_FILE=/tmp/port KPRUNE_HEALTH_PORT_FILE=/tmp/health-port KPRUNE_DATA_DIR=/var/lib/kprune
  KPRUNE_ONNXRUNTIME=/usr/lib/kprune/libonnxruntime.so KPRUNE_DEVICES=cpu ${OMP_WAIT_POLICY:+OMP_WAIT_POLICY="$OMP_WAIT_POLICY"})
client=()
if [[ $mutual_tls == yes ]]; then
  "$here/../make_secrets.sh" --owner $USER_ID "$work/secrets"
  chown -R $USER_ID "$work/secrets/client"
  mkdir "$root/run/kprune"
  mount --bind -o ro "$work/secrets" "$root/run/kprune"
  chmod 711 "$work/secrets"
  environment+=(KPRUNE_TLS_CERT=/run/kprune/server/tls.crt KPRUNE_TLS_KEY=/run/kprune/server/tls.key
    KPRUNE_TLS_CLIENT_CA=/run/kprune/server/ca.crt KPRUNE_TLS_CLIENT_AUTH=require KPRUNE_ACCESS_FILE=/run/kprune/access/access.json)
  client=(--tls-ca /run/kprune/client/ca.crt --tls-cert /run/kprune/client/tls.crt --tls-key /run/kprune/client/tls.key)
fi
mount -o remount,bind,ro "$root"

# What stands before PROGRAM ARGUMENT...: in the image, as its user, with its environment and nothing of ours. No function, so that
# what runs in the background is the program itself, which ends with this script, and not a shell around it.
inside=(env --ignore-environment "${environment[@]}" "$(command -v setpriv)" --no-new-privs
  "$(command -v chroot)" "--userspec=$USER_ID:$USER_ID" --groups= "$root")

"${inside[@]}" /usr/bin/kprune-server >"$work/server.log" 2>&1 &
server=$!
for ((i = 0; i < 600; ++i)); do
  [[ ! -s $root/tmp/port ]] || break
  kill -0 "$server" 2>/dev/null || { cat "$work/server.log" >&2; die "kprune-server did not come up; its log is above"; }
  sleep 0.1
done
for name in "" liveness; do
  printf 'health %-9s ' "$name"
  "${inside[@]}" /usr/bin/kprune health --server "127.0.0.1:$(<"$root/tmp/health-port")" --service "$name"
done

# What the kernel says of the process: which user, what it may gain, and how its root is mounted.
grep -E '^(Uid|NoNewPrivs|CapEff|CapPrm|CapAmb):' "/proc/$server/status"
awk '$5 == "/" {print "root mounted " $6}' "/proc/$server/mountinfo"
if "${inside[@]}" /usr/bin/kprune-server --data-dir /tmp/other --port-file /etc/port >"$work/other.log" 2>&1; then
  die "a server could write to /etc"
fi
grep 'cannot write' "$work/other.log" || { cat "$work/other.log" >&2; die "a server that may not write its port file said something else"; }

"${inside[@]}" /usr/bin/kprune submit /run/model --data "/run/data/samples.${3##*.}" --keep-flops 0.5 --export safetensors,onnx \
  --server "127.0.0.1:$(<"$root/tmp/port")" "${client[@]}" --output /tmp/pruned --progress plain
"${inside[@]}" /usr/bin/kprune report /tmp/pruned | head -n 6
if [[ $mutual_tls == yes ]]; then
  if "${inside[@]}" /usr/bin/kprune list --server "127.0.0.1:$(<"$root/tmp/port")" --tls-ca /run/kprune/client/ca.crt 2>"$work/refused.log"; then
    die "a client without a certificate was let in"
  fi
  grep -- '--tls-cert' "$work/refused.log" || { cat "$work/refused.log" >&2; die "a client without a certificate was told something else"; }
fi
kill -TERM "$server"
wait "$server" || die "kprune-server did not drain: exit code $?"
server=
echo "drained with exit code 0"
