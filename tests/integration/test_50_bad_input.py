# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input ends with one clear error and no change on any host."""

from __future__ import annotations

import json
import subprocess

import pytest
from conftest import api, on

from lab import playbook

_CASES = {
    "misspelt_variable": ({"engine_api_prot": 8081}, ["engine_api_prot", "engine_api_port"]),
    "wrong_release_digest": ({"engine_release_sha256": "0" * 64}, ["sha256", "0" * 64]),
    "password_that_does_not_fit": ({"timescaledb_engine_password": "not-the-one"}, ["password", "hft_user"]),
}


def _refused(name: str, extra: dict, words: list[str]) -> playbook.Run:
    done = playbook.run("site", "-e", json.dumps(extra), record=f"bad_{name}", show=False)
    assert done.rc != 0, "wrong input was taken"
    assert done.changes == []
    for word in words:
        assert word in done.output, f"{word!r} is not in the error:\n{done.output[-3000:]}"
    return done


@pytest.mark.parametrize("name", _CASES)
def test_wrong_input_is_refused_and_changes_nothing(demo: dict, name: str) -> None:
    extra, words = _CASES[name]
    _refused(name, extra, words)


def test_invalid_engine_configuration_names_its_pointer(demo: dict) -> None:
    before = on("hft-prod-01", "sha256sum /opt/hft_system/config/production.json")
    holder = api("hft-prod-01", "status")["holder"]
    _refused("engine_configuration", {"engine_lease": {"beat_ms": "soon"}}, ["/lease/beat_ms"])
    assert on("hft-prod-01", "sha256sum /opt/hft_system/config/production.json") == before
    assert api("hft-prod-01", "status")["holder"] == holder, "the running engine must keep the old configuration"


def test_an_unreachable_host_stops_the_run_before_any_change(demo: dict) -> None:
    on("hft-db-01", "echo '# edited by hand' >> /etc/sysctl.d/90-hft.conf")
    subprocess.run(["docker", "network", "disconnect", "hft-lab", "hft-prod-02"], check=True, capture_output=True)
    try:
        # One short attempt: how often Ansible tries is not what is shown here.
        done = playbook.run("site", "--timeout", "5", "-e", "ansible_ssh_retries=0", record="bad_unreachable", show=False)
    finally:
        subprocess.run(["docker", "network", "connect", "--ip", "10.213.77.12", "hft-lab", "hft-prod-02"], check=True, capture_output=True)
    assert done.rc != 0
    assert "hft-prod-02" in done.output
    assert done.changes == [], "the other hosts were left half done"
    mend = playbook.run("site", "--tags", "preflight,sysctl", record="bad_unreachable_mend", show=False)
    assert mend.rc == 0, mend.output[-3000:]
    assert {(host, path) for host, _, path in mend.changes} == {("hft-db-01", "/etc/sysctl.d/90-hft.conf")}
