# SPDX-License-Identifier: GPL-3.0-or-later
"""No cluster is here: Docker starts the image as the Deployment of deploy/kubernetes says, and its probes are asked as a kubelet would."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from conftest import SECRETS, Compose
from manifests import of_kind, pods

_UID = 10001


@pytest.fixture(scope="session")
def started(up: Compose, objects: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The image of the release as the Deployment of engine-blue starts it, without its databases; its address."""
    folder = tmp_path_factory.mktemp("pod")
    pod = pods(objects)["engine-blue"]["spec"]
    engine = pod["containers"][0]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=engine-blue", "-keyout", "tls.key", "-out", "tls.crt"], cwd=folder, check=True, capture_output=True)
    config = of_kind(objects, "ConfigMap")[pod["volumes"][0]["configMap"]["name"]]["data"]
    files = {"config": config, "certificate": {name: (folder / name).read_text() for name in ("tls.crt", "tls.key")},
             "database": {"ca.crt": (folder / "tls.crt").read_text()}}
    mounts = []
    for mount in engine["volumeMounts"]:
        source = folder / mount["name"]
        for name, text in files.get(mount["name"], {}).items():
            source.mkdir(exist_ok=True)
            (source / name).write_text(text)
        mounts += (["--volume", f"{source}:{mount['mountPath']}:ro"] if mount.get("readOnly") else
                   ["--tmpfs", f"{mount['mountPath']}:uid={_UID},gid={_UID}"])
    (folder / "env").write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items())
                                + "".join(f"{one['name']}={one['value']}\n" for one in engine["env"]))
    whole = pod["securityContext"]
    argv = ["docker", "run", "--detach", "--name", "hft_container-pod", "--read-only", "--cap-drop", "ALL", "--security-opt",
            "no-new-privileges", "--user", f"{whole['runAsUser']}:{whole['runAsGroup']}", "--cpus", engine["resources"]["limits"]["cpu"],
            "--memory", engine["resources"]["limits"]["memory"].removesuffix("i"), "--env-file", str(folder / "env"), *mounts,
            "hft_system:0.1.0-00000000"]
    name = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    told = json.loads(subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=True).stdout)[0]
    yield name, told["NetworkSettings"]["IPAddress"], folder
    subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def _probe(address: str, probe: dict[str, Any]) -> int:
    try:
        with urllib.request.urlopen(f"http://{address}:9464{probe['httpGet']['path']}", timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as told:
        return told.code
    except OSError:
        return 0


def test_the_image_starts_as_the_pod_says(started: tuple[str, str, Path], objects: list[dict[str, Any]]) -> None:
    name, address, folder = started
    engine = pods(objects)["engine-blue"]["spec"]["containers"][0]
    tries = engine["startupProbe"]["failureThreshold"]
    while _probe(address, engine["startupProbe"]) != 200:
        tries -= 1
        assert tries, subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True).stdout[-3000:]
        time.sleep(engine["startupProbe"]["periodSeconds"])
    assert _probe(address, engine["livenessProbe"]) == 200
    assert _probe(address, engine["readinessProbe"]) == 503, "its databases are not here"
    api = EngineApi(address, 8080, token=SECRETS["API_TOKENS_READ"], tls=True, certificate=str(folder / "tls.crt"))
    assert api.status()["engine"] == "engine-blue"


def test_it_ends_as_asked_within_the_grace_of_the_pod(started: tuple[str, str, Path], objects: list[dict[str, Any]]) -> None:
    name, _address, _folder = started
    subprocess.run(["docker", "stop", "--time", str(pods(objects)["engine-blue"]["spec"]["terminationGracePeriodSeconds"]), name],
                   check=True, capture_output=True)
    ended = subprocess.run(["docker", "wait", name], capture_output=True, text=True, check=True).stdout.strip()
    assert ended == "0"
