"""The container's recipe: clean by hadolint, built of everything that is needed and nothing else, run as nobody in particular."""
import json
import pathlib
import re
import tempfile
import unittest

from source_tree import DEPLOY, ROOT, TOOLS, USER_ID, dockerfile_environment, run, version

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text()


def complaints(text):
    """The codes of hadolint's rules that a Dockerfile of this text breaks."""
    with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as file:
        file.write(text)
        file.flush()
        return {found["code"] for found in json.loads(run(TOOLS / "hadolint", "--format", "json", file.name).stdout)}


class Lint(unittest.TestCase):
    def test_the_dockerfile_is_clean(self):
        self.assertEqual(complaints(DOCKERFILE), set())

    def test_a_dockerfile_that_is_not_would_be_caught(self):
        self.assertIn("DL3002", complaints(DOCKERFILE.replace("USER 10001:10001", "USER root")))
        self.assertIn("DL3020", complaints(DOCKERFILE.replace("COPY . .", "ADD . .")))


class Recipe(unittest.TestCase):
    def test_the_last_user_is_the_one_whom_the_image_knows(self):
        self.assertEqual(re.findall(r"^USER (.*)$", DOCKERFILE, flags=re.MULTILINE), [f"{USER_ID}:{USER_ID}"])
        self.assertIn(f"readonly USER_ID={USER_ID}", (DEPLOY / "container/assemble.sh").read_text())

    def test_nothing_lies_below_the_image(self):
        bases = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
        self.assertEqual(bases, ["${BASE}", "scratch", "cpu", "${VARIANT}"])

    def test_the_version_is_the_project_s(self):
        self.assertIn(f"ARG VERSION={version()}\n", DOCKERFILE)

    def test_it_answers_where_kubernetes_and_the_health_check_ask(self):
        environment = dockerfile_environment()
        ports = {environment[name].rsplit(":", 1)[1] for name in environment if name.endswith("_LISTEN")}
        self.assertEqual(ports, set(re.search(r"^EXPOSE (.*)$", DOCKERFILE, flags=re.MULTILINE).group(1).split()))
        health = environment["KPRUNE_HEALTH_LISTEN"].rsplit(":", 1)[1]
        self.assertIn(f'CMD ["/usr/bin/kprune", "health", "--server", "127.0.0.1:{health}"]', DOCKERFILE)

    def test_every_room_that_is_built_reaches_the_build(self):
        build = (ROOT / "CMakeLists.txt").read_text()
        rooms = {room.split("/")[0] for room in re.findall(r"add_subdirectory\((\S+)\)", build)} - {"tests"}
        self.assertGreater(len(rooms), 5)
        for room in rooms | {"CMakeLists.txt", "CMakePresets.json", "cmake", "include", "scripts"}:
            self.assertIn(f"\n!{room}\n", IGNORED + "\n")

    def test_nothing_else_does(self):
        self.assertEqual([line for line in IGNORED.splitlines() if not line.startswith(("#", "!"))], ["*"])

    def test_every_program_of_the_image_is_built_for_it(self):
        presets = json.loads((ROOT / "CMakePresets.json").read_text())["buildPresets"]
        built = next(preset["targets"] for preset in presets if preset["name"] == "image")
        programs = {"kprune-server", "kprune-worker", "kprune", "kprune-exporter"}
        self.assertEqual(set(built), programs)


class PinnedDebian(unittest.TestCase):
    def pin(self, sources):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "debian.sources"
            file.write_text(sources)
            return run(DEPLOY / "container/pin_debian.sh", file), file.read_text()

    def test_each_archive_becomes_the_snapshot_that_its_comment_names(self):
        done, text = self.pin("Types: deb\n# http://old.example/debian/1\nURIs: http://new.example/debian\nSuites: bookworm\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            text, "Types: deb\nURIs: http://old.example/debian/1\nCheck-Valid-Until: no\nSuites: bookworm\n")

    def test_an_archive_without_one_is_refused_and_left_alone(self):
        sources = "Types: deb\nURIs: http://new.example/debian\n"
        done, text = self.pin(sources)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not every archive", done.stderr)
        self.assertEqual(text, sources)


if __name__ == "__main__":
    unittest.main()
