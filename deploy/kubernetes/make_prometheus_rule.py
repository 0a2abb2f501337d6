"""Writes components/monitoring/prometheus_rule.yaml from deploy/prometheus/kprune.rules.yml, the one place where rules are changed.

usage: .deps/deploy/bin/python deploy/kubernetes/make_prometheus_rule.py
"""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parent / "prometheus/kprune.rules.yml"
TARGET = HERE / "components/monitoring/prometheus_rule.yaml"
HEAD = """\
# Made by make_prometheus_rule.py from deploy/prometheus/kprune.rules.yml: change that file, then run the program.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kprune
  labels:
    app.kubernetes.io/name: kprune
spec:
"""


def prometheus_rule() -> str:
    """The text that TARGET must have: the groups word for word, two columns to the right."""
    lines = RULES.read_text().splitlines()
    groups = lines[lines.index("groups:"):]
    return HEAD + "".join(f"  {line}".rstrip() + "\n" for line in groups)


if __name__ == "__main__":
    TARGET.write_text(prometheus_rule())
