#!/usr/bin/env bash
# Builds everything and runs all the tests, from a bare machine on: scripts/test.sh [arguments of ctest]
# For example: scripts/test.sh -R e2e --output-on-failure
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/build.sh release
exec ctest --preset release "$@"
