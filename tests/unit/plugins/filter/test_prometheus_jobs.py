# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from an inventory: one Prometheus for all, one a region, a global one above them; and the files of their targets."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.prometheus_jobs import prometheus_jobs
from ansible_collections.hft.ops.plugins.filter.prometheus_targets import prometheus_targets

_KINDS = {
    "hft_system": {"hosts": ["e1", "e2"], "port": 9464, "path": "/api/v1/metrics"},
    "node_exporter": {"hosts": ["e1", "e2", "m1", "m2"], "port": "9100"},
    "postgres_exporter": {"hosts": [], "port": 9187},
}
_REGIONS = {"e1": "us", "m1": "us", "e2": "eu", "m2": ""}


def _targets(jobs: list[dict]) -> dict[str, list[str]]:
    return {job["name"]: [target for group in job["groups"] for target in group["targets"]] for job in jobs}


def test_one_without_a_region_asks_all() -> None:
    jobs = prometheus_jobs("m2", _KINDS, _REGIONS)
    assert _targets(jobs) == {"hft_system": ["e1:9464", "e2:9464"], "node_exporter": ["e1:9100", "e2:9100", "m1:9100", "m2:9100"]}
    assert jobs[0]["path"] == "/api/v1/metrics"
    assert jobs[0]["groups"][1]["labels"] == {"host": "e2", "region": "eu"}
    assert jobs[1]["groups"][3]["labels"] == {"host": "m2"}


def test_one_of_a_region_asks_its_own_and_those_of_none() -> None:
    assert _targets(prometheus_jobs("m1", _KINDS, _REGIONS)) == {"hft_system": ["e1:9464"],
                                                                 "node_exporter": ["e1:9100", "m1:9100", "m2:9100"]}


def test_a_global_one_federates_and_asks_no_host() -> None:
    kinds = {**_KINDS, "prometheus": {"hosts": ["m2"], "address": "127.0.0.1", "port": 9090}}
    own, job = prometheus_jobs("m2", kinds, _REGIONS, {"m1": "m1:9090"}, ['{__name__=~"engine_.*"}'])
    assert own["groups"] == [{"targets": ["127.0.0.1:9090"], "labels": {"host": "m2"}}]
    assert (job["path"], job["options"]["honor_labels"]) == ("/federate", True)
    assert job["options"]["params"] == {"match[]": ['{__name__=~"engine_.*"}']}
    assert job["groups"] == [{"targets": ["m1:9090"], "labels": {"host": "m1", "region": "us"}}]


def test_what_is_asked_by_a_prober_keeps_its_own_address_as_instance() -> None:
    kinds = {"ping": {"hosts": ["e1"], "port": 0, "module": "icmp", "prober": "127.0.0.1:9115"},
             "api": {"hosts": ["e1"], "port": 8080, "module": "tcp_connect", "prober": "127.0.0.1:9115"}}
    ping, api = prometheus_jobs("m2", kinds, {})
    assert (ping["path"], _targets([ping, api])) == ("/probe", {"ping": ["e1"], "api": ["e1:8080"]})
    assert ping["options"]["params"] == {"module": ["icmp"]}
    assert ping["options"]["relabel_configs"][-1] == {"target_label": "__address__", "replacement": "127.0.0.1:9115"}


def test_a_host_may_name_its_own_port() -> None:
    hosts = ["e1:9100", "e2:443", "else.example:443"]
    kinds = {"certificates": {"hosts": hosts, "port": 0, "module": "tls_certificate", "prober": "127.0.0.1:9115"}}
    job, = prometheus_jobs("m1", kinds, _REGIONS)
    assert job["groups"] == [{"targets": ["e1:9100"], "labels": {"host": "e1", "region": "us"}},
                             {"targets": ["else.example:443"], "labels": {"host": "else.example"}}]


def test_options_of_the_site_reach_the_job_that_they_name_alone() -> None:
    engine, node = prometheus_jobs("m2", _KINDS, {}, options={"node_exporter": {"scheme": "https"}})
    assert node["options"] == {"scheme": "https"}
    assert "options" not in engine
    with pytest.raises(AnsibleFilterError, match="options: node: expected one of hft_system"):
        prometheus_jobs("m2", _KINDS, {}, options={"node": {}})


def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="node: port: expected a number, found 'x'"):
        prometheus_jobs("m", {"node": {"hosts": ["a"], "port": "x"}}, {})


def test_targets_are_one_file_a_job_and_the_nearer_label_wins() -> None:
    files = prometheus_targets([{"name": "a", "targets": ["h:1"], "labels": {"stage": "test", "host": "x"},
                                 "groups": [{"targets": ["i:1"], "labels": {"host": "i"}}]}, {"name": "b"}], "/t")
    assert [one["path"] for one in files] == ["/t/a.json", "/t/b.json"]
    assert json.loads(files[0]["content"]) == [{"targets": ["h:1"], "labels": {"stage": "test", "host": "x"}},
                                               {"targets": ["i:1"], "labels": {"stage": "test", "host": "i"}}]
    assert json.loads(files[1]["content"]) == []


def test_jobs_without_a_name_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="each with a name"):
        prometheus_targets([{"targets": []}], "/t")
