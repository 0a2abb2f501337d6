"""The files of deploy/ as those read them who run them, for the checks beside this file."""
import json
import os
import pathlib
import re
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TOOLS = pathlib.Path(os.environ["KPRUNE_DEPLOY_TOOLS"])  # the folder of hadolint, kubectl and docker-compose
PROGRAMS = pathlib.Path(os.environ["KPRUNE_PROGRAMS"])  # the folder of kprune-server
USER_ID = 10001


def run(*command, **keywords):
    """The finished process, its output as text."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **keywords)


def rendered(folder):
    """The objects that `kubectl apply --kustomize FOLDER` would send. Raises where it refuses the folder."""
    done = run(TOOLS / "kubectl", "kustomize", folder)
    if done.returncode != 0:
        raise ValueError(done.stderr)
    return list(yaml.safe_load_all(done.stdout))


def composed():
    """compose.yaml with its anchors and defaults put in."""
    done = run(TOOLS / "docker-compose", "--file", DEPLOY / "compose/compose.yaml", "config", "--format", "json")
    if done.returncode != 0:
        raise ValueError(done.stderr)
    return json.loads(done.stdout)


def environment_names(program):
    """Every environment variable that the program's --help names."""
    return set(re.findall(r"Env:(KPRUNE_\w+)", run(PROGRAMS / program, "--help").stdout))


def dockerfile_environment():
    """What ENV instructions of the Dockerfile set."""
    text = (ROOT / "Dockerfile").read_text()
    return dict(re.findall(r"^(?:ENV|   ) +(\w+)=(\S+)", text, flags=re.MULTILINE))


def environment_file(path):
    """The variables of a file that systemd reads as EnvironmentFile."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def version():
    return re.search(r"project\(kprune VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
