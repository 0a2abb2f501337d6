"""The units: systemd understands them, they are closed, and they name what the programs know."""
import configparser
import pathlib
import re
import shutil
import tempfile
import unittest

from source_tree import DEPLOY, USER_ID, environment_file, environment_names, run

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MOST_EXPOSED = 2.0  # of systemd-analyze's 10


@unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
class Analyzed(unittest.TestCase):
    def verify(self, text, name):
        """What systemd-analyze says of a unit, whose program is taken for one that exists."""
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / name
            unit.write_text(re.sub(r"/usr/bin/kprune-\w+", "/bin/true", text))
            done = run("systemd-analyze", "verify", "--man=no", unit)
            return "\n".join(line for line in done.stderr.splitlines() if name in line)

    def test_every_line_is_understood(self):
        self.assertEqual(len(UNITS), 2)
        for unit in UNITS:
            self.assertEqual(self.verify(unit.read_text(), unit.name), "")

    def test_a_line_that_is_not_would_be_seen(self):
        self.assertIn("ProtectSystm", self.verify(UNITS[0].read_text().replace("ProtectSystem", "ProtectSystm"), UNITS[0].name))

    def test_little_is_exposed(self):
        for unit in UNITS:
            said = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit).stdout
            level = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", said).group(1))
            self.assertLessEqual(level, MOST_EXPOSED, unit.name)


class Units(unittest.TestCase):
    def read(self, name):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read(DEPLOY / "systemd" / name)
        return parser["Service"]

    def test_the_drain_ends_before_systemd_kills(self):
        settings = environment_file(DEPLOY / "systemd/kprune-server.env")
        self.assertGreaterEqual(float(self.read("kprune-server.service")["TimeoutStopSec"]), float(settings["KPRUNE_DRAIN_SECONDS"]) + 10)

    def test_the_user_exists_and_owns_the_data(self):
        service = self.read("kprune-server.service")
        self.assertIn(f"u {service['User']} {USER_ID} ", (DEPLOY / "systemd/kprune.sysusers.conf").read_text())
        self.assertEqual(service["Environment"], f"KPRUNE_DATA_DIR=/var/lib/{service['StateDirectory']}")

    def test_a_worker_may_cage_itself(self):
        allowed = (DEPLOY / "systemd/kprune-server.service").read_text()
        for call in ("seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
            self.assertIn(call, allowed)

    def test_every_setting_of_the_server_is_a_flag(self):
        self.assertLessEqual(set(environment_file(DEPLOY / "systemd/kprune-server.env")), environment_names("kprune-server"))

    def test_every_setting_of_the_exporter_is_a_flag(self):
        self.assertLessEqual(set(environment_file(DEPLOY / "systemd/kprune-exporter.env")), environment_names("kprune-exporter"))


if __name__ == "__main__":
    unittest.main()
