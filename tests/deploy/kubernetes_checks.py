"""The manifests: what Kubernetes would accept, and what only fits together: ports, probes, drains, users, secrets, limits."""
import copy
import json
import os
import pathlib
import tempfile
import unittest

import kubernetes_validate
import yaml

from source_tree import DEPLOY, USER_ID, dockerfile_environment, environment_names, rendered, version

KUBERNETES = ("1.30.0", "1.37.0")  # the oldest that is promised, and the newest whose schemas are here
CUSTOM = {"PrometheusRule", "ServiceMonitor", "ScaledObject"}  # of operators: checked below
OVERLAYS = {name: rendered(DEPLOY / "kubernetes/overlays" / name) for name in ("cpu", "gpu", "dev")}


def with_component(name):
    """The overlay cpu with one of the components, as somebody's own overlay has it."""
    with tempfile.TemporaryDirectory() as folder:
        place = {part: os.path.relpath(DEPLOY / "kubernetes" / part, os.path.realpath(folder)) for part in ("overlays/cpu", f"components/{name}")}
        (pathlib.Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
            "resources": [place["overlays/cpu"]], "components": [place[f"components/{name}"]]}))
        return rendered(folder)


def named(objects, kind, name):
    """The one object of that kind whose name is `name`, or begins with it and a dash (a ConfigMap's ends in a hash)."""
    return next(o for o in objects if o["kind"] == kind and (o["metadata"]["name"] + "-").startswith(name + "-"))


def pod(workload):
    return workload["spec"]["template"]["spec"]


def workloads(objects):
    return [o for o in objects if o["kind"] in ("StatefulSet", "Deployment")]


def server(objects):
    return pod(named(objects, "StatefulSet", "kprune"))


def settings(objects):
    return named(objects, "ConfigMap", "kprune-server")["data"]


def labels_of(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def gibibytes(quantity):
    return float(quantity.removesuffix("Gi")) if quantity.endswith("Gi") else float(quantity) / 2**30


class OverlayChecks:
    """What holds for every overlay; each is a class below."""

    objects = []

    def test_kubernetes_accepts_every_object(self):
        for item in self.objects:
            for release in KUBERNETES:
                if item["kind"] not in CUSTOM:
                    kubernetes_validate.validate(item, release, strict=True)

    def test_pods_meet_the_restricted_standard_and_write_nowhere_but_to_volumes(self):
        objects = self.objects
        enforced = named(objects, "Namespace", "kprune")["metadata"]["labels"]
        self.assertEqual(enforced["pod-security.kubernetes.io/enforce"], "restricted")
        for workload in workloads(objects):
            context = pod(workload)["securityContext"]
            self.assertTrue(context["runAsNonRoot"])
            self.assertEqual({context[key] for key in ("runAsUser", "runAsGroup", "fsGroup")}, {USER_ID})
            self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse(pod(workload)["automountServiceAccountToken"])
            for container in pod(workload)["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})

    def test_every_folder_that_is_written_is_a_volume(self):
        image = dockerfile_environment()
        objects = self.objects
        mounts = {mount["mountPath"] for mount in server(objects)["containers"][0]["volumeMounts"] if not mount.get("readOnly")}
        work = {settings(objects)["KPRUNE_WORK_DIR"]} if "KPRUNE_WORK_DIR" in settings(objects) else set()
        self.assertEqual(mounts, {image["KPRUNE_DATA_DIR"], image["TMPDIR"]} | work)

    def test_probes_ask_the_health_port_and_liveness_is_independent_of_serving(self):
        port = int(dockerfile_environment()["KPRUNE_HEALTH_LISTEN"].rsplit(":", 1)[1])
        objects = self.objects
        container = server(objects)["containers"][0]
        for probe in ("startupProbe", "readinessProbe"):
            self.assertEqual(container[probe]["grpc"], {"port": port})
        self.assertEqual(container["livenessProbe"]["grpc"], {"port": port, "service": "liveness"})

    def test_the_drain_ends_before_the_pod_is_killed(self):
        objects = self.objects
        drain = float(settings(objects)["KPRUNE_DRAIN_SECONDS"])
        self.assertGreaterEqual(server(objects)["terminationGracePeriodSeconds"], drain + 10)

    def test_every_selector_of_a_service_finds_exactly_one_workload_with_its_ports(self):
        objects = self.objects
        for service in (o for o in objects if o["kind"] == "Service"):
            found = [w for w in workloads(objects) if service["spec"]["selector"].items() <= labels_of(w).items()]
            self.assertEqual(len(found), 1, service["metadata"]["name"])
            ports = {port["name"] for port in pod(found[0])["containers"][0]["ports"]}
            for port in service["spec"]["ports"]:
                self.assertIn(port["targetPort"], ports)

    def test_ports_are_those_of_the_image(self):
        image = dockerfile_environment()
        want = {name.removeprefix("KPRUNE_").removesuffix("LISTEN").strip("_").lower() or "grpc": int(value.rsplit(":", 1)[1])
                for name, value in image.items() if name.endswith("LISTEN")}
        objects = self.objects
        ports = {port["name"]: port["containerPort"] for port in server(objects)["containers"][0]["ports"]}
        self.assertEqual(ports, want)

    def test_only_clients_the_exporter_and_scrapes_come_in(self):
        objects = self.objects
        policy = named(objects, "NetworkPolicy", "kprune-server")["spec"]
        self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])
        callers, scrapes = policy["ingress"]
        self.assertEqual(callers["from"][0]["podSelector"], {"matchLabels": {"kprune/client": "true"}})
        exporter = named(objects, "Deployment", "kprune-exporter")
        self.assertLessEqual(callers["from"][1]["podSelector"]["matchLabels"].items(), labels_of(exporter).items())
        self.assertEqual(scrapes["from"], [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}])
        selected = policy["podSelector"]["matchLabels"].items()
        self.assertLessEqual(selected, labels_of(named(objects, "StatefulSet", "kprune")).items())

    def test_a_drained_node_is_not_held(self):
        objects = self.objects
        self.assertEqual(named(objects, "PodDisruptionBudget", "kprune")["spec"]["maxUnavailable"], 1)

    def test_one_queue_one_replica(self):
        objects = self.objects
        self.assertEqual(named(objects, "StatefulSet", "kprune")["spec"]["replicas"], 1)
        self.assertEqual(named(objects, "StatefulSet", "kprune")["spec"]["serviceName"], "kprune-headless")

    def test_files_that_settings_and_arguments_name_are_mounted(self):
        objects = self.objects
        for workload in workloads(objects):
            container = pod(workload)["containers"][0]
            values = list(settings(objects).values()) if "envFrom" in container else []
            values += [argument.split("=", 1)[1] for argument in container.get("args", [])]
            mounts = [mount["mountPath"] for mount in container["volumeMounts"]] if "volumeMounts" in container else []
            for value in (value for value in values if value.startswith("/")):
                self.assertTrue(any(value == mount or value.startswith(mount + "/") for mount in mounts), value)

    def test_the_image_is_of_this_version(self):
        for overlay, tag in (("cpu", "cpu"), ("gpu", "cuda"), ("dev", "cpu")):
            for workload in workloads(OVERLAYS[overlay]):
                self.assertEqual(pod(workload)["containers"][0]["image"], f"kprune:{version()}-{tag}")

    def test_every_setting_is_a_flag_of_the_server(self):
        known = environment_names("kprune-server")
        objects = self.objects
        self.assertLessEqual(set(settings(objects)), known)

    def test_every_argument_is_a_flag_of_the_exporter(self):
        known = environment_names("kprune-exporter")
        objects = self.objects
        for argument in pod(named(objects, "Deployment", "kprune-exporter"))["containers"][0]["args"]:
            flag = argument.split("=")[0].removeprefix("--")
            self.assertIn("KPRUNE_EXPORTER_" + flag.upper().replace("-", "_"), known)


class Cpu(OverlayChecks, unittest.TestCase):
    objects = OVERLAYS["cpu"]


class Gpu(OverlayChecks, unittest.TestCase):
    objects = OVERLAYS["gpu"]


class Dev(OverlayChecks, unittest.TestCase):
    objects = OVERLAYS["dev"]


class Encrypted(OverlayChecks, unittest.TestCase):
    objects = with_component("encryption")

    def test_jobs_work_in_memory_and_the_key_is_a_secret(self):
        volumes = {volume["name"]: volume for volume in server(self.objects)["volumes"]}
        self.assertEqual(volumes["work"]["emptyDir"]["medium"], "Memory")
        self.assertEqual(volumes["encryption"]["secret"]["secretName"], "kprune-encryption")


class Production(unittest.TestCase):
    def test_nobody_comes_in_without_saying_who_they_are(self):
        for overlay in ("cpu", "gpu"):
            given = settings(OVERLAYS[overlay])
            self.assertNotIn("KPRUNE_INSECURE", given)
            self.assertLessEqual({"KPRUNE_TLS_CERT", "KPRUNE_TLS_KEY", "KPRUNE_TLS_CLIENT_CA", "KPRUNE_ACCESS_FILE"}, set(given))
            exporter = pod(named(OVERLAYS[overlay], "Deployment", "kprune-exporter"))
            shown = [item["key"] for volume in exporter["volumes"] for item in volume["secret"].get("items", [])]
            self.assertEqual(shown, ["ca.crt"], "the server's key is not the exporter's")

    def test_secrets_are_named_and_none_is_in_the_tree(self):
        for objects in OVERLAYS.values():
            self.assertFalse([o for o in objects if o["kind"] == "Secret"])

    def test_a_worker_meets_its_own_limit_before_the_pod_s(self):
        for overlay in ("cpu", "gpu"):
            limit = server(OVERLAYS[overlay])["containers"][0]["resources"]["limits"]["memory"]
            worker = settings(OVERLAYS[overlay])["KPRUNE_WORKER_MEMORY_BYTES"]
            self.assertLess(gibibytes(worker), 0.9 * gibibytes(limit))

    def test_a_gpu_is_asked_for_where_one_is_named(self):
        for overlay, gpus in (("cpu", None), ("gpu", "1"), ("dev", None)):
            limits = server(OVERLAYS[overlay])["containers"][0]["resources"]["limits"]
            self.assertEqual(limits.get("nvidia.com/gpu"), gpus)
            self.assertEqual(settings(OVERLAYS[overlay])["KPRUNE_DEVICES"], "cuda:0" if gpus else "cpu")


class Monitoring(unittest.TestCase):
    def test_each_service_monitor_finds_one_service_with_its_port(self):
        objects = OVERLAYS["cpu"]
        monitors = [o for o in objects if o["kind"] == "ServiceMonitor"]
        self.assertEqual(len(monitors), 2)
        for monitor in monitors:
            selector = monitor["spec"]["selector"]["matchLabels"].items()
            found = [o for o in objects if o["kind"] == "Service" and selector <= o["metadata"]["labels"].items()]
            self.assertEqual(len(found), 1, monitor["metadata"]["name"])
            self.assertIn("kprune", found[0]["metadata"]["name"], "alerts know targets by a job that is named so")
            for endpoint in monitor["spec"]["endpoints"]:
                self.assertIn(endpoint["port"], {port["name"] for port in found[0]["spec"]["ports"]})

    def test_the_rules_are_those_of_prometheus(self):
        source = DEPLOY / "prometheus/kprune.rules.yml"
        rule = named(OVERLAYS["cpu"], "PrometheusRule", "kprune")
        self.assertEqual(rule["spec"], yaml.safe_load(source.read_text()), "run deploy/kubernetes/make_prometheus_rule.py")

    def test_every_rule_has_what_the_operator_requires(self):
        groups = named(OVERLAYS["cpu"], "PrometheusRule", "kprune")["spec"]["groups"]
        self.assertGreater(len(groups), 3)
        for rule in (rule for group in groups for rule in group["rules"]):
            self.assertTrue(rule["expr"])
            self.assertEqual(("alert" in rule) + ("record" in rule), 1, rule)

    def test_what_scales_is_there_and_does_not_scale_what_has_one_queue(self):
        scaled = yaml.safe_load((DEPLOY / "kubernetes/components/autoscaling/scaled_object.yaml").read_text())["spec"]
        target = scaled["scaleTargetRef"]
        self.assertEqual(named(OVERLAYS["cpu"], target["kind"], target["name"])["apiVersion"], target["apiVersion"])
        self.assertEqual((scaled["minReplicaCount"], scaled["maxReplicaCount"]), (1, 1))
        self.assertIn("kprune_queue_backlog", scaled["triggers"][0]["metadata"]["query"])


class TheChecksThemselves(unittest.TestCase):
    def test_a_field_that_kubernetes_does_not_know_is_refused(self):
        broken = copy.deepcopy(named(OVERLAYS["cpu"], "StatefulSet", "kprune"))
        broken["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, KUBERNETES[-1], strict=True)

    def test_a_folder_that_kustomize_does_not_understand_is_refused(self):
        with self.assertRaises(ValueError):
            rendered(DEPLOY / "kubernetes/overlays")

    def test_each_overlay_has_the_same_kinds(self):
        kinds = {name: sorted(o["kind"] for o in objects if o["kind"] not in CUSTOM) for name, objects in OVERLAYS.items()}
        self.assertEqual(json.dumps(kinds["cpu"]), json.dumps(kinds["dev"]))
        self.assertEqual(kinds["cpu"], kinds["gpu"])


if __name__ == "__main__":
    unittest.main()
