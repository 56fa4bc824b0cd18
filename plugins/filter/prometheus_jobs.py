# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that makes the jobs of a Prometheus from the hosts of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_jobs
short_description: Make the jobs of a Prometheus from the hosts of an inventory
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Returns the jobs as option C(prometheus_jobs) of role C(prometheus) takes them. Each host is a group of its own, with the labels C(host)
    and, where it has one, C(region).
  - A Prometheus of a region asks the hosts of its region and those of none. One without a region asks all.
  - A global one asks no host. It federates from the Prometheus of each region what is named, and leaves limits where they are.
positional: kinds, regions
options:
  _input:
    description: Name of the host of the Prometheus.
    type: str
    required: true
  kinds:
    description:
      - What is asked, by the name of the job. C(hosts) and C(port), 0 where a host names its own or has none; C(path) and C(interval)
        of the job; C(prober), the address of a blackbox exporter, with C(module), where it is asked by one; C(address) in place of the
        name of the host for what is beside the Prometheus.
    type: dict
    required: true
  regions:
    description: Region by host, empty or left out for none.
    type: dict
    required: true
  federate:
    description: Addresses of the Prometheus of each region, by host, for a global one.
    type: dict
    default: {}
  federate_match:
    description: What a global one takes from them, as selectors.
    type: list
    elements: str
    default: []
  options:
    description: Further keys in Prometheus' own form, by the name of the job.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what is asked
  ansible.builtin.debug:
    msg: >-
      {{ 'hft-mon-01' | hft.ops.prometheus_jobs({'node_exporter': {'hosts': groups.all, 'port': 9100}}, {'hft-prod-01': 'us_east'}) }}
"""

RETURN = r"""
_value:
  description: The jobs.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError


def prometheus_jobs(name: str, kinds: dict, regions: dict, federate: dict | None = None, federate_match: list | None = None,
                    options: dict | None = None) -> list[dict]:
    """Make the jobs of one Prometheus; see DOCUMENTATION."""
    own = regions.get(name) or ""
    jobs = []
    for job, kind in kinds.items():
        if not str(kind.get("port", "")).isdigit():
            raise AnsibleFilterError(f"hft.ops.prometheus_jobs: {job}: port: expected a number, found {kind.get('port')!r}")
        hosts = [host for host in kind["hosts"] if not own or regions.get(_name(host)) in (None, "", own)]
        if hosts and ("address" in kind or not federate):
            jobs.append(_job(job, kind, hosts, regions))
    if federate:
        groups = [{"targets": [address], "labels": _labels(host, regions)} for host, address in sorted(federate.items())]
        jobs.append({"name": "federate", "path": "/federate", "groups": groups,
                     "options": {"honor_labels": True, "params": {"match[]": list(federate_match or [])}}})
    unknown = sorted(set(options or {}) - {*kinds, "federate"})
    if unknown:
        raise AnsibleFilterError(f"hft.ops.prometheus_jobs: options: {', '.join(unknown)}: expected one of {', '.join(kinds)}, federate")
    return [{**job, "options": {**job.get("options", {}), **more}} if (more := (options or {}).get(job["name"])) else job for job in jobs]


def _name(host: str) -> str:
    """Without the port that it may name."""
    return host.partition(":")[0]


def _labels(host: str, regions: dict) -> dict:
    name = _name(host)
    return {"host": name, "region": regions[name]} if regions.get(name) else {"host": name}


def _job(name: str, kind: dict, hosts: list[str], regions: dict) -> dict:
    port = f":{kind['port']}" if int(kind["port"]) else ""
    groups = [{"targets": [f"{kind.get('address', host)}{port}"], "labels": _labels(host, regions)} for host in hosts]
    job: dict = {"name": name, "groups": groups}
    for key in ("path", "interval"):
        if kind.get(key):
            job[key] = kind[key]
    if kind.get("prober"):
        job["path"] = "/probe"
        job["options"] = {"params": {"module": [kind["module"]]}, "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": kind["prober"]},
        ]}
    return job


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"prometheus_jobs": prometheus_jobs}
