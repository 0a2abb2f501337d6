#!/usr/bin/env bash
# Shows the whole of kprune on this machine: sets it up and builds where needed, starts the server on its embedded defaults, prunes
# half of a real sentence encoder through it, and prints what came out. The pruned model stays in out/demo.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
bash scripts/build.sh release

bin=$root/build/release/bin
model=$(realpath -m "${KPRUNE_DEPS:-$root/.deps}")/models/all-minilm-l6-v2
result=$root/out/demo
work=$(mktemp -d "${TMPDIR:-/tmp}/kprune-demo-XXXXXX")
server_pid=

stop() {
  if [[ -n $server_pid ]] && kill -TERM "$server_pid" 2>/dev/null; then
    wait "$server_pid" || true
  fi
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' plain=''
if [[ -t 1 && -z "${NO_COLOR:-}" ]]; then
  bold=$'\033[1m' plain=$'\033[0m'
fi
heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# Prints a command as the user would type it, then runs it.
show() {
  local text="$*"
  printf '$ %s\n' "${text//$root\//}"
  "$@"
}

heading "Starting kprune-server"
"$bin/kprune-server" --data-dir "$work/data" --listen 127.0.0.1:0 --port-file "$work/port" --metrics-listen 127.0.0.1:0 \
  >"$work/server.log" 2>&1 &
server_pid=$!
for ((i = 0; i < 600; ++i)); do
  [[ ! -s $work/port ]] || break
  kill -0 "$server_pid" 2>/dev/null || break
  sleep 0.1
done
if [[ ! -s $work/port ]]; then
  cat "$work/server.log" >&2
  echo "demo: kprune-server did not come up; its log is above" >&2
  exit 1
fi
KPRUNE_SERVER=127.0.0.1:$(<"$work/port")
export KPRUNE_SERVER
echo "serving on $KPRUNE_SERVER"

heading "Pruning half of the FLOPs of a sentence encoder, through the server"
mkdir -p "$root/out"
rm -rf "$result"
show "$bin/kprune" submit "$model" --data "$root/examples/sentences.jsonl" --keep-flops 0.5 \
  --output "$result"

heading "What came out"
show "$bin/kprune" report "$result"

heading "The original and the pruned model on 100 sentences that the job never saw"
show "$bin/kprune" compare "$model" "$result" --data "$root/examples/unseen.jsonl"

heading "The pruned model is in out/demo"
ls -l "$result"
