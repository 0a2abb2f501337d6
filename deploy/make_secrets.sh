#!/usr/bin/env bash
# Makes what a trial of a closed service needs: an authority, certificates of the server and of one client, tokens, and the access file
# that says whose they are. In production certificates come from your own authority and are renewed by it; they have the same names.
set -euo pipefail

usage() {
  cat <<TEXT
usage: deploy/make_secrets.sh [--owner UID] [--days N] FOLDER [NAME]...

  FOLDER        to fill; there must be none yet
  NAME          names and addresses by which clients reach the server, beside localhost and 127.0.0.1, kprune (the Service, or
                the container) and kprune-headless (what the exporter looks up)
  --owner UID   who owns the files (default: you); a container's user is 10001
  --days N      how long the certificates are valid (default: 90)

  FOLDER/server/{ca.crt,tls.crt,tls.key}  of the server, named as in a Secret of type kubernetes.io/tls
  FOLDER/client/{ca.crt,tls.crt,tls.key}  of a client, who is an admin of the tenant "trial"
  FOLDER/client/token                     of a submitter of the same tenant
  FOLDER/exporter/token                   of kprune-exporter
  FOLDER/access/access.json               whose they are
  FOLDER/authority/                       what signs more certificates: keep it elsewhere
TEXT
}

die() { printf 'make_secrets: %s\n' "$*" >&2; exit 1; }

owner='' days=90
while (($#)); do
  case $1 in
    --owner) owner=$2; shift 2 ;;
    --days) days=$2; shift 2 ;;
    --help | -h) usage; exit 0 ;;
    -*) usage >&2; die "unknown argument '$1'" ;;
    *) break ;;
  esac
done
(($#)) || { usage >&2; exit 3; }
folder=$1
shift
[[ ! -e $folder ]] || die "there is '$folder' already; remove it or name another folder"
umask 077
mkdir -p "$folder"/{authority,server,client,exporter,access}

alternative_names() {
  local name names=()
  for name in "$@"; do
    if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then names+=("IP:$name"); else names+=("DNS:$name"); fi
  done
  (IFS=,; echo "${names[*]}")
}

authority=$folder/authority
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj '/CN=kprune trial authority' \
  -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout "$authority/ca.key" -out "$authority/ca.crt" 2>/dev/null

# certificate FOLDER USE NAME...: the first name is the subject's.
certificate() {
  local target=$1 use=$2
  shift 2
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$1" -keyout "$target/tls.key" 2>/dev/null |
    openssl x509 -req -days "$days" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -out "$target/tls.crt" -extfile <(
      printf '%s\n' "subjectAltName=$(alternative_names "$@")" "extendedKeyUsage=$use" keyUsage=critical,digitalSignature
    ) 2>/dev/null
  cp "$authority/ca.crt" "$target/ca.crt"
}
certificate "$folder/server" serverAuth kprune kprune-headless localhost 127.0.0.1 "$@"
certificate "$folder/client" clientAuth kprune-trial

# token FILE: writes 256 random bits there, and prints the hash by which the server knows them.
token() {
  openssl rand -hex 32 | tr -d '\n' >"$1"
  sha256sum "$1" | cut -d ' ' -f 1
}
client_hash=$(token "$folder/client/token")
exporter_hash=$(token "$folder/exporter/token")
cat >"$folder/access/access.json" <<JSON
{"tenants": {"trial": {}},
 "identities": [
   {"name": "trial-admin", "certificate": "kprune-trial", "tenant": "trial", "role": "admin"},
   {"name": "trial", "token_sha256": "$client_hash", "tenant": "trial", "role": "submitter"},
   {"name": "exporter", "token_sha256": "$exporter_hash", "role": "monitor"}]}
JSON
[[ -z $owner ]] || chown -R "$owner" "$folder"/{server,exporter,access}
