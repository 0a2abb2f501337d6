"""make_secrets.sh: certificates that verify and have the names, tokens that the access file knows, and nobody else may read them."""
import hashlib
import json
import pathlib
import tempfile
import unittest

from source_tree import DEPLOY, run


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name) / "secrets"
        cls.made = run(DEPLOY / "make_secrets.sh", cls.folder, "kprune.example.com", "10.1.2.3")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_the_files_are_those_that_deploy_names(self):
        self.assertEqual(self.made.returncode, 0, self.made.stderr)
        files = {str(file.relative_to(self.folder)) for file in self.folder.rglob("*") if file.is_file()}
        self.assertEqual(files, {
            "authority/ca.crt", "authority/ca.key", "server/ca.crt", "server/tls.crt", "server/tls.key", "client/ca.crt",
            "client/tls.crt", "client/tls.key", "client/token", "exporter/token", "access/access.json"})

    def test_nobody_else_may_read_them(self):
        for file in self.folder.rglob("*"):
            self.assertEqual(file.stat().st_mode & 0o077, 0, file)

    def test_each_certificate_is_the_authority_s_and_for_one_use(self):
        for who, use, other in (("server", "sslserver", "sslclient"), ("client", "sslclient", "sslserver")):
            verify = ("openssl", "verify", "-CAfile", self.folder / "server/ca.crt", "-purpose")
            self.assertEqual(run(*verify, use, self.folder / who / "tls.crt").returncode, 0, who)
            self.assertNotEqual(run(*verify, other, self.folder / who / "tls.crt").returncode, 0, who)

    def test_the_server_has_the_names_by_which_it_is_called(self):
        certificate = self.folder / "server/tls.crt"
        for name in ("kprune", "kprune-headless", "localhost", "kprune.example.com"):
            self.assertIn("does match", run("openssl", "x509", "-noout", "-in", certificate, "-checkhost", name).stdout)
        for address in ("127.0.0.1", "10.1.2.3"):
            self.assertIn("does match", run("openssl", "x509", "-noout", "-in", certificate, "-checkip", address).stdout)
        self.assertIn("NOT match", run("openssl", "x509", "-noout", "-in", certificate, "-checkhost", "another").stdout)

    def test_the_access_file_knows_the_tokens_and_holds_none(self):
        text = (self.folder / "access/access.json").read_text()
        roles = {identity["token_sha256"]: identity["role"] for identity in json.loads(text)["identities"] if "token_sha256" in identity}
        for who, role in (("client", "submitter"), ("exporter", "monitor")):
            token = (self.folder / who / "token").read_bytes()
            self.assertRegex(token.decode(), "^[0-9a-f]{64}$")
            self.assertEqual(roles[hashlib.sha256(token).hexdigest()], role)
            self.assertNotIn(token.decode(), text)

    def test_a_folder_that_is_there_is_left_alone(self):
        again = run(DEPLOY / "make_secrets.sh", self.folder)
        self.assertEqual(again.returncode, 1)
        self.assertIn("there is", again.stderr)


if __name__ == "__main__":
    unittest.main()
