#!/usr/bin/env bash
# Makes apt take Debian's packages as they were when the base image was made: that image's list of sources names the snapshot of each
# archive in a comment, and this puts it in the archive's place. So a base of one digest gives the same packages for ever.
set -euo pipefail

sources=${1:-/etc/apt/sources.list.d/debian.sources}
pinned=$(awk '
  /^# http/ {snapshot = $2; next}
  /^URIs:/ && snapshot != "" {print "URIs: " snapshot; print "Check-Valid-Until: no"; snapshot = ""; next}
  {print}' "$sources")
if [[ $(grep -c '^URIs:' <<<"$pinned") != $(grep -c '^Check-Valid-Until: no' <<<"$pinned") ]]; then
  echo "pin_debian: not every archive of '$sources' has a comment that names its snapshot; take an image of Debian's own as BASE" >&2
  exit 1
fi
printf '%s\n' "$pinned" >"$sources"
