"""A host of models for tests: files over HTTPS on loopback, as a web folder, an S3 bucket and a hub's mirror.

    model_host.py --root FOLDER --certificate FILE --key FILE --port-file FILE

Serves FOLDER/files/** as they are (strong ETags, ranges), FOLDER/s3/BUCKET/** as objects of buckets (/BUCKET/KEY and
ListObjectsV2; every request must carry a right Signature Version 4 of AKIDEXAMPLE, verified here from its specification),
and FOLDER/hub/ORG/NAME/** as repositories (/api/models/ORG/NAME/revision/main, /ORG/NAME/resolve/COMMIT/FILE).
FOLDER/rules.json, read again for every request, makes it misbehave: {"PATH": {rule}, ...}; the rules are in `misbehave`.
Every request is a line of FOLDER/requests.log: path, Range, and the kind of its Authorization.
"""
import argparse
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import ssl
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRET = {"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
SESSION_TOKEN = "session-token-EXAMPLE"
ROOT = pathlib.Path()
TIMES = {}  # how often each rule was applied


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def encode(text, safe):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def signature_error(handler):
    """What is wrong with the request's Signature Version 4 (service s3); None where it is right."""
    authorization = handler.headers.get("Authorization", "")
    if not authorization.startswith("AWS4-HMAC-SHA256 "):
        return "unsigned"
    fields = dict(part.strip().split("=", 1) for part in authorization[len("AWS4-HMAC-SHA256 "):].split(","))
    key_id, date, region, service, kind = fields["Credential"].split("/")
    if key_id not in SECRET or service != "s3" or kind != "aws4_request" or region != "eu-test-1":
        return "credential"
    names = fields["SignedHeaders"].split(";")
    if "host" not in names or "x-amz-date" not in names:
        return "headers"
    if "X-Amz-Security-Token" in handler.headers:
        if handler.headers["X-Amz-Security-Token"] != SESSION_TOKEN or "x-amz-security-token" not in names:
            return "session"
    path, _, query = handler.path.partition("?")
    pairs = sorted((encode(key, ""), encode(value, ""))
                   for key, value in urllib.parse.parse_qsl(query, keep_blank_values=True))
    headers = "".join(f"{name}:{' '.join(handler.headers[name].split())}\n" for name in names)
    payload = handler.headers.get("x-amz-content-sha256", hashlib.sha256(b"").hexdigest())
    canonical = "\n".join([handler.command, encode(urllib.parse.unquote(path), "/"),
                           "&".join("=".join(pair) for pair in pairs), headers, ";".join(names), payload])
    scope = f"{date}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET[key_id]).encode()
    for part in (date, region, "s3", "aws4_request"):
        key = sign(key, part)
    return None if hmac.compare_digest(sign(key, text).hex(), fields["Signature"]) else "signature"


def objects_xml(bucket, query):
    """ListObjectsV2, two objects a page so that its pages are met."""
    folder = ROOT / "s3" / bucket
    prefix = query.get("prefix", [""])[0]
    keys = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    keys = [key for key in keys if key.startswith(prefix)]
    start = int(query.get("continuation-token", ["0"])[0].rstrip("+/= ") or 0)
    page, more = keys[start:start + 2], start + 2 < len(keys)
    contents = "".join(f"<Contents><Key>{key}</Key><Size>{(folder / key).stat().st_size}</Size></Contents>"
                       for key in page)
    following = f"<NextContinuationToken>{start + 2}+/=</NextContinuationToken>" if more else ""
    return (f'<?xml version="1.0"?><ListBucketResult><Name>{bucket}</Name>{contents}'
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{following}</ListBucketResult>")


def repository_json(name):
    folder = ROOT / "hub" / name
    siblings = []
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        sibling = {"rfilename": str(file.relative_to(folder)), "size": file.stat().st_size}
        if file.suffix == ".safetensors":
            sibling["lfs"] = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "size": sibling["size"]}
        siblings.append(sibling)
    return json.dumps({"id": name, "sha": COMMIT, "siblings": siblings})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        with open(ROOT / "requests.log", "a") as log:
            authorization = self.headers.get("Authorization", "-").split()[0]
            log.write(f"{path} {self.headers.get('Range', '-')} {authorization}\n")
        rules = json.loads((ROOT / "rules.json").read_text()) if (ROOT / "rules.json").exists() else {}
        rule = rules.get(path, {})
        if rule:
            TIMES[path] = TIMES.get(path, 0) + 1
            if TIMES[path] > rule.get("times", TIMES[path]):
                rule = {}
        first = path.split("/")[1]
        if first == "files":
            return self.send_file(ROOT / path[1:], rule)
        if first == "api":
            return self.misbehave(repository_json("/".join(path.split("/")[3:5])).encode(), "", rule)
        if f"/resolve/{COMMIT}/" in path:
            return self.send_file(ROOT / "hub" / path[1:].replace(f"resolve/{COMMIT}/", ""), rule)
        error = signature_error(self)
        if error:
            return self.misbehave(f"<Error><Code>{error}</Code></Error>".encode(), "", {"status": 403})
        if "list-type" in query:
            return self.misbehave(objects_xml(first, urllib.parse.parse_qs(query)).encode(), "", rule)
        return self.send_file(ROOT / "s3" / urllib.parse.unquote(path[1:]), rule)

    def send_file(self, file, rule):
        if not file.is_file() and "status" not in rule:
            return self.misbehave(b"<html>no such file</html>", "", {"status": 404})
        body = file.read_bytes() if file.is_file() else b""
        return self.misbehave(body, f'"{hashlib.md5(body).hexdigest()}"', rule)

    def misbehave(self, body, etag, rule):
        """Sends the body, but for what a rule says:
        token "T"       401 without the bearer token T, 403 with another
        status N        this status, with `location` as Location
        no_length true  no Content-Length: the end of the connection is the end of the file
        cut N           ends the connection after N bytes of the body
        gate "PATH"     after half of the body waits until the file is there, at most 60 s
        times N         the rule holds for the first N requests only
        """
        if "token" in rule and self.headers.get("Authorization") != "Bearer " + rule["token"]:
            rule = {"status": 403 if "Authorization" in self.headers else 401}
        status, start = rule.get("status", 200), 0
        if status == 200 and "Range" in self.headers and self.headers.get("If-Range") == etag:
            start, status = int(self.headers["Range"][len("bytes="):-1]), 206
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if "location" in rule:
            self.send_header("Location", rule["location"])
        body = body[start:]
        if rule.get("no_length"):
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if "cut" in rule:
            self.close_connection = True
            body = body[:rule["cut"]]
        half = len(body) // 2 if "gate" in rule else 0
        self.wfile.write(body[:half])
        self.wfile.flush()
        deadline = time.monotonic() + 60
        while "gate" in rule and not os.path.exists(rule["gate"]) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.wfile.write(body[half:])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are what the tests are about


def main():
    global ROOT
    parser = argparse.ArgumentParser()
    for name in ("root", "certificate", "key", "port-file"):
        parser.add_argument("--" + name, required=True)
    arguments = parser.parse_args()
    ROOT = pathlib.Path(arguments.root)
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    pathlib.Path(arguments.port_file + ".tmp").write_text(str(server.server_address[1]))
    os.rename(arguments.port_file + ".tmp", arguments.port_file)
    server.serve_forever()


main()
