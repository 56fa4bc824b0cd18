# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy/kubernetes as kustomize gives it to a cluster: published schemas, the profile "restricted", and what a lease asks for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifests import FOLDER, of_kind, pods

from lab.paths import ROOT

# The first version in which all of it is there (ReadWriteOncePod), the one of the tools here, and the newest that is published.
_VERSIONS = ("1.29.1", "1.32.0", "1.37.0")
_NAMES = ("engine-blue", "engine-green")


def _selected(objects: list[dict[str, Any]], labels: dict[str, str]) -> list[str]:
    return sorted(name for name, pod in pods(objects).items() if labels.items() <= pod["metadata"]["labels"].items())


def _config(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name / "production.json").read_text())


@pytest.mark.parametrize("version", _VERSIONS)
def test_every_object_is_what_the_published_schema_allows(rendered: str, validators: Path, tmp_path: Path, version: str) -> None:
    (tmp_path / "all.yaml").write_text(rendered)
    done = subprocess.run([validators / "kubernetes-validate", "--strict", "-k", version, tmp_path / "all.yaml"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pods_keep_the_profile_restricted(objects: list[dict[str, Any]]) -> None:
    """Pod Security Standards, profile restricted: each rule in its own words, since no API server is here to apply it."""
    assert set(pods(objects)) == set(_NAMES)
    for pod in pods(objects).values():
        spec = pod["spec"]
        containers = spec["containers"] + spec.get("initContainers", [])
        assert not {"hostNetwork", "hostPID", "hostIPC", "ephemeralContainers"} & set(spec)
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= {
            "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
        whole = spec["securityContext"]
        assert whole["runAsNonRoot"] is True
        assert whole["runAsUser"] > 0
        assert whole["seccompProfile"]["type"] == "RuntimeDefault"
        assert not {"sysctls", "seLinuxOptions", "windowsOptions", "appArmorProfile"} & set(whole)
        for container in containers:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert not {"privileged", "procMount", "runAsUser", "runAsNonRoot", "seccompProfile", "seLinuxOptions"} & set(own)
            assert not [port for port in container["ports"] if "hostPort" in port]
            # Beyond the profile.
            assert own["readOnlyRootFilesystem"] is True


def test_the_namespace_has_that_profile_enforced(objects: list[dict[str, Any]]) -> None:
    assert of_kind(objects, "Namespace")["trading"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    outside = [one["metadata"]["name"] for one in objects if one["kind"] != "Namespace" and one["metadata"].get("namespace") != "trading"]
    assert not outside


def test_an_engine_is_one_pod_at_a_time(objects: list[dict[str, Any]]) -> None:
    assert not [one["kind"] for one in objects if one["kind"] in {"HorizontalPodAutoscaler", "StatefulSet", "DaemonSet", "ReplicaSet"}]
    deployments = of_kind(objects, "Deployment")
    for name in _NAMES:
        spec = deployments[name]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 30, "what the unit on a host gives it"
        claims = [volume["persistentVolumeClaim"]["claimName"] for volume in spec["template"]["spec"]["volumes"]
                  if "persistentVolumeClaim" in volume]
        assert claims == [name]
        assert of_kind(objects, "PersistentVolumeClaim")[name]["spec"]["accessModes"] == ["ReadWriteOncePod"]


def test_what_selects_selects_one_engine_and_what_keeps_apart_sees_both(objects: list[dict[str, Any]]) -> None:
    for name in _NAMES:
        deployment = of_kind(objects, "Deployment")[name]["spec"]
        assert _selected(objects, deployment["selector"]["matchLabels"]) == [name]
        assert _selected(objects, of_kind(objects, "PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"]) == [name]
        assert _selected(objects, of_kind(objects, "Service")[name]["spec"]["selector"]) == [name]
        terms = deployment["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert [(term["topologyKey"], _selected(objects, term["labelSelector"]["matchLabels"])) for term in terms] == [
            ("kubernetes.io/hostname", sorted(_NAMES))]


def test_nobody_drains_a_node_from_under_an_engine(objects: list[dict[str, Any]]) -> None:
    assert {budget["spec"]["maxUnavailable"] for budget in of_kind(objects, "PodDisruptionBudget").values()} == {0}


def test_a_pod_is_guaranteed_whole_cpus(objects: list[dict[str, Any]]) -> None:
    for pod in pods(objects).values():
        for container in pod["spec"]["containers"]:
            resources = container["resources"]
            assert resources["requests"] == resources["limits"]
            assert int(resources["limits"]["cpu"]) >= 1, "a part of a CPU is shared with others"


def test_an_engine_that_is_not_ready_is_reached(objects: list[dict[str, Any]]) -> None:
    """Its kill switch is wanted when its database or venue is gone."""
    assert all(service["spec"]["publishNotReadyAddresses"] is True for service in of_kind(objects, "Service").values())


def test_probes_ask_what_the_api_answers_without_a_token(objects: list[dict[str, Any]]) -> None:
    paths = yaml.safe_load((ROOT / "engine" / "openapi.yaml").read_text())["paths"]
    for name, pod in pods(objects).items():
        engine, config = pod["spec"]["containers"][0], _config(name.removeprefix("engine-"))
        ports = {port["name"]: port["containerPort"] for port in engine["ports"]}
        assert ports == {"api": config["api"]["port"], "metrics": config["metrics"]["port"]}
        asked = {kind: engine[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        assert {kind: one["path"] for kind, one in asked.items()} == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
        assert all(paths[one["path"]]["get"]["x-scope"] == "open" and one["port"] == "metrics" for one in asked.values())


def test_no_secret_and_no_right_is_in_the_tree(objects: list[dict[str, Any]]) -> None:
    assert not of_kind(objects, "Secret")
    assert of_kind(objects, "ServiceAccount")["engine"]["automountServiceAccountToken"] is False
    assert all(pod["spec"]["automountServiceAccountToken"] is False for pod in pods(objects).values())
    assert {subject["kind"] for binding in of_kind(objects, "RoleBinding").values() for subject in binding["subjects"]} == {"Group"}
    assert not [one["kind"] for one in objects if one["kind"].startswith("ClusterRole")]
    rules = {name: role["rules"] for name, role in of_kind(objects, "Role").items()}
    assert {verb for rule in rules["viewer"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert rules["console"] == [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]
    assert not [word for role in rules.values() for rule in role for words in rule.values() for word in words if word in {"*", "secrets"}]


def test_the_network_lets_through_what_the_configuration_asks_for(objects: list[dict[str, Any]]) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    spec = policies["engine"]["spec"]
    assert _selected(objects, spec["podSelector"]["matchLabels"]) == sorted(_NAMES)
    entries = [entry for rule in spec["egress"] for entry in rule["ports"]]
    out = {port for entry in entries for port in range(entry["port"], entry.get("endPort", entry["port"]) + 1)}
    config = _config("blue")
    wanted = {config["database"]["port"]} | {venue[key] for venue in config["venues"] for key in ("order_port", "market_data_port")}
    assert out == wanted | {53}
    assert all(rule["to"] for rule in spec["egress"])
    assert all(rule["from"] for rule in spec["ingress"])


def test_the_two_engines_differ_by_their_name_alone() -> None:
    blue, green = _config("blue"), _config("green")
    assert (blue["engine"].pop("name"), green["engine"].pop("name")) == _NAMES
    assert blue == green


def test_the_image_is_named_by_its_digest(objects: list[dict[str, Any]]) -> None:
    assert all("@sha256:" in container["image"] for pod in pods(objects).values() for container in pod["spec"]["containers"])
