#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: latency_probe
short_description: Measure the latency of chosen CPUs with hwlatdetect, oslat and cyclictest, and give a verdict
version_added: 0.1.0
description:
  - Runs the tools of rt-tests one after the other for a bounded time, and returns histogram, percentiles and maximum for each CPU,
    the interrupts that each CPU got meanwhile, the exact command lines and the version of the tool.
  - Changes nothing, so it measures in check mode too. What hwlatdetect sets in the kernel's tracing is put back.
  - In a guest or container the figures are returned, but the verdict is C(no_claim). What another guest does shows in them.
  - A tool that is not installed, or that the host does not let run, is C(not_applicable) with its own words as the reason.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
  - hft.ops.host_guard
options:
  cpus:
    description:
      - The CPUs to measure, as a list such as V(2-5,8).
      - When empty, those that the kernel says are isolated or without a tick (C(isolcpus), C(nohz_full)); all online CPUs where none is.
    type: str
    default: ''
  tests:
    description:
      - What to measure. They run in this order, because none can be better than the one before it.
      - V(hwlatdetect) finds stalls by firmware (SMIs). It needs the kernel's hwlat tracer, which of Debian's kernels only those with
        PREEMPT_RT have. It stops interrupts on one CPU for half of each second.
      - V(oslat) finds stalls of a thread that never sleeps, as a hot thread is. It runs without real-time priority.
      - V(cyclictest) measures how late a sleeping real-time thread wakes up, with the power management that the host has.
    type: list
    elements: str
    choices: [hwlatdetect, oslat, cyclictest]
    default: [hwlatdetect, oslat, cyclictest]
  duration_s:
    description:
      - Seconds for each test, from 1 to 86400. A test that has not ended a minute after that is ended.
      - Ten seconds show that something is wrong, hours show that nothing is.
    type: int
    default: 10
  thresholds:
    description: The longest latency in microseconds that each test may see.
    type: dict
    suboptions:
      hwlatdetect_us: {description: The tool's own default., type: int, default: 10}
      oslat_us: {description: What a busy thread on an isolated core of a tuned host sees., type: int, default: 20}
      cyclictest_us: {description: The limit of the acceptance tests of SEAPATH., type: int, default: 100}
  priority:
    description: Real-time priority (SCHED_FIFO) of cyclictest's threads, from 1 to 98.
    type: int
    default: 80
  interval_us:
    description: Time between two wake-ups of cyclictest, from 100 to 1000000.
    type: int
    default: 1000
notes:
  - The tools are in the package C(rt-tests).
  - A measured CPU is busy, so a host whose engine trades is refused (O(guard)); in check mode nothing is then measured.
"""

EXAMPLES = r"""
- name: Is this host fit to trade
  hft.ops.latency_probe:
    duration_s: 60
  register: probe

- name: Stop here when it is not
  ansible.builtin.assert:
    that: probe.verdict != 'fail'
    fail_msg: "{{ probe.verdict_reason }}"
"""

RETURN = r"""
verdict:
  description: 'C(pass), C(fail), or C(no_claim): virtualised, or nothing could be measured.'
  returned: success
  type: str
verdict_reason:
  description: Why, in one line.
  returned: success
  type: str
  sample: 'virtualised: no claim (kvm)'
virtualization:
  description: What systemd-detect-virt says, C(none) on metal.
  returned: success
  type: str
cpus:
  description: The CPUs that were measured.
  returned: success
  type: str
  sample: 2-3
tests:
  description: Each test in the order in which it ran.
  returned: success
  type: list
  elements: dict
  contains:
    tool: {description: Which one., type: str}
    status: {description: 'C(measured), C(not_applicable) or C(failed).', type: str}
    reason: {description: Why it was not measured., type: str}
    command: {description: The exact command line., type: str}
    version: {description: 'What the tool calls its version; null when it did not run.', type: str}
    duration_s: {description: Seconds asked for., type: int}
    threshold_us: {description: The limit., type: int}
    max_us: {description: The longest latency on any CPU; null when not measured., type: int}
    cpus:
      description: Latencies by CPU; empty for hwlatdetect, which does not tell them apart.
      type: list
      elements: dict
      contains:
        cpu: {description: The CPU., type: int}
        samples: {description: How many., type: int}
        overflow: {description: Samples longer than the histogram reaches., type: int}
        min_us: {description: Shortest., type: int}
        avg_us: {description: Mean., type: float}
        p50_us: {description: Half of the samples were not longer., type: int}
        p99_us: {description: The same of 99 %., type: int}
        p99_9_us: {description: The same of 99.9 %., type: int}
        max_us: {description: Longest., type: int}
        histogram: {description: Samples by microseconds., type: dict}
    interrupts:
      description: Interrupts that each measured CPU got while this test ran, from C(/proc/interrupts).
      type: list
      elements: dict
      contains:
        cpu: {description: The CPU., type: int}
        total: {description: All of them., type: int}
        devices: {description: 'Those of devices, which have a number.', type: int}
        sources: {description: 'How many by source, the busiest first.', type: dict}
refused:
  description: In check mode, the refusal that a run would meet; empty where it would meet none.
  returned: success
  type: str
items:
  description: Each test as one item of the host's report.
  returned: success
  type: list
  elements: dict
"""

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._cpu_choice import chosen, isolated, online
from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._host_guard import HOST_GUARD_SPEC, refusal
from ansible_collections.hft.ops.plugins.module_utils._interrupts import interrupt_counts, interrupts_between
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, FAILED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._latency_tools import (
    Measured,
    cyclictest_argv,
    hwlatdetect_argv,
    hwlatdetect_measured,
    json_measured,
    oslat_argv,
)
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

_TOOLS = ("hwlatdetect", "oslat", "cyclictest")
_GRACE_S = 60
_RANGES = {"duration_s": (1, 86400), "priority": (1, 98), "interval_us": (100, 1_000_000)}
_TRACING = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_TRACING_KEPT = ("tracing_thresh", "tracing_cpumask", "tracing_on")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cpus": {"type": "str", "default": ""},
            "tests": {"type": "list", "elements": "str", "choices": list(_TOOLS), "default": list(_TOOLS)},
            "duration_s": {"type": "int", "default": 10},
            "thresholds": {
                "type": "dict", "apply_defaults": True,
                "options": {
                    "hwlatdetect_us": {"type": "int", "default": 10},
                    "oslat_us": {"type": "int", "default": 20},
                    "cyclictest_us": {"type": "int", "default": 100},
                },
            },
            "priority": {"type": "int", "default": 80},
            "interval_us": {"type": "int", "default": 1000},
            "guard": HOST_GUARD_SPEC,
        },
        supports_check_mode=True,
    )
    try:
        result = probe(module.params, Host(), module.run_command, module.check_mode)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    if result["refused"]:
        module.warn(result["refused"])
    module.exit_json(changed=False, **result)


class Unmeasurable(Exception):
    """Why a tool measured nothing on this host."""


def probe(params: dict[str, Any], host: Host, run_command: RunCommand, check_mode: bool = False) -> dict[str, Any]:
    """The module's own result keys."""
    cpus = _checked(params, host)
    tools = [tool for tool in _TOOLS if tool in params["tests"]]
    load = [f"the load of CPU {cpu_list(cpus)} ({tool}, {params['duration_s']} s)" for tool in tools]
    refused = refusal(params["guard"], load, host, run_command, check_mode)
    # The answer of systemd-detect-virt is a word and an exit status other than 0 for "none".
    virtualization = run_command(["systemd-detect-virt"])[1].strip() or "unknown"
    tests = [_test(tool, cpus, params, host, run_command, refused) for tool in tools]
    claim = "" if virtualization == "none" else f"virtualised: no claim ({virtualization})"
    verdict, reason = _verdict(tests, claim)
    return {
        "verdict": verdict, "verdict_reason": reason, "virtualization": virtualization, "cpus": cpu_list(cpus), "tests": tests,
        "items": [_item(test, claim).shown() for test in tests], "refused": refused,
    }


def _checked(params: dict[str, Any], host: Host) -> frozenset[int]:
    """The CPUs to measure; HostError that names everything wrong with the input."""
    problems = [f"{name} {params[name]}: expected a number from {first} to {last}"
                for name, (first, last) in _RANGES.items() if not first <= params[name] <= last]
    problems += [f"thresholds: {name} {value}: expected 1 or more" for name, value in params["thresholds"].items() if value < 1]
    if not params["tests"]:
        problems.append(f"tests: nothing to measure; one or more of {', '.join(_TOOLS)}")
    cpus: frozenset[int] = frozenset()
    try:
        cpus = chosen(host, "cpus", params["cpus"]) or isolated(host) & online(host) or online(host)
    except HostError as wrong:
        problems.append(str(wrong))
    if problems:
        raise HostError("; ".join(problems))
    return cpus


def _test(tool: str, cpus: frozenset[int], params: dict[str, Any], host: Host, run_command: RunCommand, refused: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hft-latency-") as scratch:
        report = f"{scratch}/{tool}.json"
        argv = _argv(tool, cpus, params, min(online(host) - cpus or cpus), report)
        before = interrupt_counts(host)
        status, reason, measured = "measured", "", None
        try:
            if refused:
                raise Unmeasurable(refused)
            measured = _measure(tool, argv, report, cpus, params["duration_s"], host, run_command)
        except Unmeasurable as why:
            status, reason = "not_applicable", str(why)
        except HostError as wrong:
            status, reason = "failed", str(wrong)
        after = interrupt_counts(host)
    return {
        "tool": tool, "status": status, "reason": reason, "command": shlex.join(argv), "duration_s": params["duration_s"],
        "threshold_us": params["thresholds"][f"{tool}_us"],
        "version": measured.version if measured else None, "max_us": measured.max_us if measured else None,
        "cpus": [one.shown() for one in measured.cpus] if measured else [],
        "interrupts": [_interrupts(cpu, interrupts_between(before, after, cpu)) for cpu in sorted(cpus)] if measured else [],
    }


def _argv(tool: str, cpus: frozenset[int], params: dict[str, Any], main_cpu: int, report: str) -> list[str]:
    duration_s = params["duration_s"]
    if tool == "hwlatdetect":
        return hwlatdetect_argv(cpus, duration_s, params["thresholds"]["hwlatdetect_us"])
    if tool == "oslat":
        return oslat_argv(cpus, main_cpu, duration_s, report)
    return cyclictest_argv(cpus, main_cpu, duration_s, params["priority"], params["interval_us"], report)


def _measure(tool: str, argv: list[str], report: str, cpus: frozenset[int], duration_s: int, host: Host,
             run_command: RunCommand) -> Measured:
    if tool != "hwlatdetect":
        _run(argv, duration_s, run_command)
        return json_measured(tool, _report(tool, report), cpus)
    with _hwlat_tracer(host) as tracing:
        text = _run(argv, duration_s, run_command, ends_with=(0, 1))
    version = re.search(r'^version = "(.+)"', host.read("/usr/sbin/hwlatdetect") or host.read("/usr/bin/hwlatdetect") or "", re.MULTILINE)
    return hwlatdetect_measured(text, f"{version[1] if version else 'unknown'}, tracer in {tracing}")


def _report(tool: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as why:
        raise HostError(f"{tool}: wrote no JSON ({why.strerror}); rt-tests 2.0 or later does") from why


def _run(argv: list[str], duration_s: int, run_command: RunCommand, ends_with: tuple[int, ...] = (0,)) -> str:
    """Standard output of a tool that is ended when it does not end itself; Unmeasurable when it says that it cannot."""
    bounded = ["timeout", "--kill-after=5", str(duration_s + _GRACE_S), *argv]
    code, out, err = run_command(bounded, environ_update={"LC_ALL": "C"}, path_prefix="/usr/sbin:/sbin:/usr/bin:/bin")
    if code == 127:
        raise Unmeasurable(f"ENOENT: {argv[0]} is not installed; it is in the package rt-tests")
    if code in (124, 137):
        raise HostError(f"{argv[0]}: had not ended {_GRACE_S} s after its {duration_s} s; was ended")
    if code not in ends_with:
        said = " ".join((err or out).split())[:300]
        raise Unmeasurable(f"{argv[0]}: exit status {code}: {said or 'without a word'}")
    return out


@contextmanager
def _hwlat_tracer(host: Host) -> Iterator[str]:
    """Where the hwlat tracer is; afterwards the settings of tracing that hwlatdetect leaves changed are as before."""
    where = next((path for path in _TRACING if host.read(f"{path}/available_tracers") is not None), None)
    if where is None:
        raise Unmeasurable(f"ENOENT: {_TRACING[0]}/available_tracers: the kernel's tracing is not mounted here")
    tracers = (host.read(f"{where}/available_tracers") or "").split()
    if "hwlat" not in tracers:
        raise Unmeasurable(f"this kernel has no hwlat tracer ({where}/available_tracers: {' '.join(tracers)}); Debian's RT kernel has")
    busy = (host.read(f"{where}/current_tracer") or "nop").strip()
    if busy != "nop":
        raise Unmeasurable(f"EBUSY: the tracer {busy} is in use ({where}/current_tracer)")
    kept = {name: (host.read(f"{where}/{name}") or "").strip() for name in _TRACING_KEPT}
    try:
        yield where
    finally:
        for name, value in kept.items():
            if value and (host.read(f"{where}/{name}") or "").strip() != value:
                host.poke(f"{where}/{name}", value)


def _interrupts(cpu: int, sources: dict[str, int]) -> dict[str, Any]:
    devices = sum(count for name, count in sources.items() if name[0].isdigit())
    return {"cpu": cpu, "total": sum(sources.values()), "devices": devices, "sources": sources}


def _exceeded(test: dict[str, Any]) -> str:
    """What is above the threshold, "" when nothing is."""
    if test["max_us"] is None or test["max_us"] <= test["threshold_us"]:
        return ""
    guilty = [str(one["cpu"]) for one in test["cpus"] if one["max_us"] > test["threshold_us"]]
    return f"{test['tool']}: {test['max_us']} us, above {test['threshold_us']} us{' on CPU ' + ','.join(guilty) if guilty else ''}"


def _verdict(tests: list[dict[str, Any]], claim: str) -> tuple[str, str]:
    failed = [f"{test['tool']}: {test['reason']}" for test in tests if test["status"] == "failed"]
    exceeded = [text for text in map(_exceeded, tests) if text]
    measured = [f"{test['tool']} {test['max_us']} us" for test in tests if test["status"] == "measured"]
    if claim:
        return "no_claim", claim
    if failed or exceeded:
        return "fail", "; ".join(exceeded + failed)
    if not measured:
        return "no_claim", "nothing measured: " + "; ".join(f"{test['tool']}: {test['reason']}" for test in tests)
    return "pass", "within the thresholds: " + ", ".join(measured)


def _item(test: dict[str, Any], claim: str) -> Item:
    live = None if test["max_us"] is None else f"{test['max_us']} us"
    if test["status"] != "measured":
        status, reason = (FAILED if test["status"] == "failed" else NOT_APPLICABLE), test["reason"]
    elif claim:
        status, reason = NOT_APPLICABLE, claim
    else:
        reason = _exceeded(test)
        status = FAILED if reason else APPLIED
    return Item(f"latency {test['tool']}", status, f"{test['threshold_us']} us", live=live, reason=reason)


if __name__ == "__main__":
    main()
