# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that writes the targets of Prometheus' jobs as the files which it watches."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_targets
short_description: Write the targets of Prometheus' jobs as the files which it watches
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Returns one file a job, in the form of C(file_sd_configs), as P(hft.ops.config_files#module) takes files.
  - The labels of a job are those of each of its targets; labels of a group win over them.
positional: directory
options:
  _input:
    description: The jobs, as option C(prometheus_jobs) of role C(prometheus) has them.
    type: list
    elements: dict
    required: true
  directory:
    description: Directory of the files.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Configure the targets
  hft.ops.config_files:
    files: "{{ prometheus_jobs | hft.ops.prometheus_targets('/etc/prometheus/targets') }}"
"""

RETURN = r"""
_value:
  description: The files, each with C(path) and C(content).
  type: list
  elements: dict
"""

import json

from ansible.errors import AnsibleFilterError


def prometheus_targets(jobs: list[dict], directory: str) -> list[dict]:
    """Write the targets of jobs as files; see DOCUMENTATION."""
    if not isinstance(jobs, list) or not all(isinstance(job, dict) and job.get("name") for job in jobs):
        raise AnsibleFilterError("hft.ops.prometheus_targets: expected a list of jobs, each with a name")
    return [{"path": f"{directory}/{job['name']}.json", "content": json.dumps(_groups(job), indent=2, sort_keys=True) + "\n"}
            for job in jobs]


def _groups(job: dict) -> list[dict]:
    plain = [{"targets": job["targets"]}] if job.get("targets") else []
    return [{"targets": list(one["targets"]), "labels": {**(job.get("labels") or {}), **(one.get("labels") or {})}}
            for one in plain + list(job.get("groups") or [])]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"prometheus_targets": prometheus_targets}
