"""compose.yaml as docker-compose itself reads it: closed, pinned, and every file that it mounts is there."""
import pathlib
import unittest

import yaml

from source_tree import DEPLOY, TOOLS, composed, dockerfile_environment, environment_names, run, version

SERVICES = composed()["services"]
OURS = ("kprune", "kprune-exporter")
FOLDER = DEPLOY / "compose"


class Compose(unittest.TestCase):
    def test_every_service_is_closed(self):
        self.assertEqual(set(SERVICES), {*OURS, "prometheus", "grafana"})
        for name, service in SERVICES.items():
            with self.subTest(service=name):
                self.assertTrue(service["read_only"])
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                for port in service.get("ports", []):
                    self.assertEqual(port["host_ip"], "127.0.0.1", "a trial of one machine is nobody else's")

    def test_images_have_versions(self):
        for name, service in SERVICES.items():
            tag = service["image"].split(":")[1]
            self.assertEqual(tag, f"{version()}-cpu") if name in OURS else self.assertRegex(tag, r"^v?\d+\.\d+\.\d+$")

    def test_the_drain_ends_before_the_container_is_killed(self):
        drain = float(SERVICES["kprune"]["environment"]["KPRUNE_DRAIN_SECONDS"])
        self.assertGreaterEqual(float(SERVICES["kprune"]["stop_grace_period"].removesuffix("s")), drain + 10)

    def test_every_folder_that_is_written_is_a_volume(self):
        image = dockerfile_environment()
        written = {mount["target"] for mount in SERVICES["kprune"]["volumes"] if not mount.get("read_only")}
        self.assertEqual(written, {image["KPRUNE_DATA_DIR"]})
        self.assertEqual([mount.split(":")[0] for mount in SERVICES["kprune"]["tmpfs"]], [image["TMPDIR"]])

    def test_every_file_that_is_named_in_a_container_is_mounted(self):
        for name in OURS:
            service = SERVICES[name]
            values = list((service.get("environment") or {}).values())
            values += [argument.split("=", 1)[1] for argument in service.get("command") or []]
            targets = [mount["target"] for mount in service["volumes"]]
            for value in (value for value in values if value.startswith("/")):
                self.assertTrue(any(value == target or value.startswith(target + "/") for target in targets), value)

    def test_every_file_that_is_mounted_is_there(self):
        """In the tree, or made by make_secrets.sh, whose own test says which files it makes."""
        for service in SERVICES.values():
            for mount in (mount for mount in service["volumes"] if mount["type"] == "bind"):
                source = pathlib.Path(mount["source"])
                if source.relative_to(FOLDER if source.is_relative_to(FOLDER) else DEPLOY).parts[0] != "secrets":
                    self.assertTrue(source.exists(), source)

    def test_prometheus_scrapes_both_by_their_names(self):
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        targets = [job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]]
        self.assertEqual({target.split(":")[0] for target in targets}, set(OURS))
        metrics = dockerfile_environment()["KPRUNE_METRICS_LISTEN"].rsplit(":", 1)[1]
        self.assertIn(f"kprune:{metrics}", targets)

    def test_every_setting_is_a_flag_of_the_server(self):
        self.assertLessEqual(set(SERVICES["kprune"]["environment"]), environment_names("kprune-server"))

    def test_every_argument_is_a_flag_of_the_exporter(self):
        known = environment_names("kprune-exporter")
        for argument in SERVICES["kprune-exporter"]["command"]:
            flag = argument.split("=")[0].removeprefix("--")
            self.assertIn("KPRUNE_EXPORTER_" + flag.upper().replace("-", "_"), known)

    def test_docker_compose_would_refuse_a_key_that_it_does_not_know(self):
        text = (FOLDER / "compose.yaml").read_text().replace("read_only: true", "read_onli: true")
        done = run(TOOLS / "docker-compose", "--file", "-", "config", "--quiet", input=text, cwd=FOLDER)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("read_onli", done.stderr)


if __name__ == "__main__":
    unittest.main()
