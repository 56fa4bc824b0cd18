# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _host_guard
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._latency_tools import CpuLatency, hwlatdetect_measured, json_measured
from ansible_collections.hft.ops.plugins.modules.latency_probe import probe

_CPU = "/sys/devices/system/cpu"
_TRACING = "/sys/kernel/tracing"
# What the tools of rt-tests 2.4 wrote, keys with colons and all.
_HEAD = {"file_version": 1, "cmdline:": "cyclictest", "rt_test_version:": "2.40", "return_code": 0, "num_threads": 2}
_CYCLICTEST = {**_HEAD, "resolution_in_ns": 0, "thread": {
    "0": {"histogram": {"15": 2, "16": 5, "17": 32, "18": 109, "19": 108}, "cycles": 256, "min": 15, "max": 19, "avg": 18.15, "cpu": 2,
          "node": 0},
    "1": {"histogram": {"15": 1, "16": 6, "17": 27, "18": 58, "19": 58}, "cycles": 152, "min": 15, "max": 11602, "avg": 41.43, "cpu": 3,
          "node": 0}}}
_OSLAT = {**_HEAD, "thread": {
    "0": {"cpu": 2, "freq": 2445, "min": 1, "avg": 1.001474, "max": 9, "duration": 0.999, "histogram": {"1": 33514098, "2": 152, "9": 1}},
    "1": {"cpu": 3, "freq": 2445, "min": 1, "avg": 1.041963, "max": 40092, "duration": 0.998,
          "histogram": {"1": 99, "3": 1, "1024": 7}}}}
_HWLAT = "hwlatdetect:  test duration 10 seconds\n\nStarting test\ntest finished\nMax Latency: {}\nSamples recorded: 0\n"


class Tools:
    """The tools of a host: argv in, their files and words out."""

    def __init__(self, host, virtualization="none", **outcomes):
        self.host, self.virtualization, self.outcomes, self.calls = host, virtualization, outcomes, []

    def __call__(self, argv, **_options):
        if argv[0] == "systemd-detect-virt":
            return 0 if self.virtualization != "none" else 1, self.virtualization + "\n", ""
        assert argv[:2] == ["timeout", "--kill-after=5"]
        assert int(argv[2]) > 10
        argv = argv[3:]
        self.calls.append(argv)
        outcome = self.outcomes.get(argv[0], (127, "", f"timeout: failed to run command '{argv[0]}': No such file or directory"))
        if isinstance(outcome, tuple):
            return outcome
        report = next(word for word in argv if word.startswith("--json=")).removeprefix("--json=")
        Path(report).write_text(json.dumps(outcome))
        self.host.interrupt("LOC", 3, 5)
        self.host.interrupt("24", 3, 2)
        return 0, "", ""


class ProbedHost(Host):
    """Four CPUs, two of them isolated, with interrupts that are counted."""

    def __init__(self, root):
        super().__init__(root)
        self.counts = {name: [0, 0, 0, 0] for name in ("24", "LOC")}
        self.write(f"{_CPU}/online", "0-3\n")
        self.write(f"{_CPU}/isolated", "2-3\n")
        self.write(f"{_CPU}/nohz_full", "  (null)\n")
        self.interrupt("LOC", 0, 1)

    def write(self, path, text):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def interrupt(self, name, cpu, count):
        self.counts[name][cpu] += count
        rows = {"24": "IR-PCI-MSIX-0000:00:03.0   1-edge      eth0-rx-0", "LOC": "Local timer interrupts"}
        text = "           CPU0       CPU1       CPU2       CPU3\n"
        text += "".join(f"{row:>3}: {' '.join(map(str, self.counts[row]))}  {described}\n" for row, described in rows.items())
        self.write("/proc/interrupts", text + "ERR:          0\n")

    def tracer(self, current="nop", available="hwlat osnoise nop"):
        for name, value in {"available_tracers": available, "current_tracer": current, "tracing_thresh": "0", "tracing_cpumask": "f",
                            "tracing_on": "1"}.items():
            self.write(f"{_TRACING}/{name}", value + "\n")

    def everything(self):
        return {str(path): path.read_text() for path in self.root.rglob("*") if path.is_file() and path.name != "interrupts"}


@pytest.fixture
def host(tmp_path):
    return ProbedHost(tmp_path)


def _params(**more):
    guard = {"service": "hft_system.service", "config": "/x", "api_token": None, "allow_disruption": False}
    return {"cpus": "", "tests": ["hwlatdetect", "oslat", "cyclictest"], "duration_s": 10, "priority": 80, "interval_us": 1000,
            "guard": guard, "thresholds": {"hwlatdetect_us": 10, "oslat_us": 20, "cyclictest_us": 100}, **more}


def _by_tool(result):
    return {test["tool"]: test for test in result["tests"]}


def test_histogram_percentiles_and_interrupts_of_each_isolated_cpu(host):
    tools = Tools(host, oslat=_OSLAT, cyclictest=_CYCLICTEST)
    result = probe(_params(), host, tools)
    tests = _by_tool(result)
    assert result["cpus"] == "2-3"
    first, second = tests["cyclictest"]["cpus"]
    assert (first["cpu"], first["samples"], first["overflow"], first["p50_us"], first["p99_us"], first["max_us"]) == (2, 256, 0, 18, 19, 19)
    assert first["histogram"] == {"15": 2, "16": 5, "17": 32, "18": 109, "19": 108}
    # Two samples lie beyond the histogram: what is not known is told as the maximum, never as less.
    assert (second["overflow"], second["p50_us"], second["p99_us"], second["p99_9_us"]) == (2, 18, 11602, 11602)
    assert tests["oslat"]["cpus"][1]["overflow"] == 7
    assert tests["oslat"]["version"] == "2.40"
    assert tests["oslat"]["interrupts"] == [
        {"cpu": 2, "total": 0, "devices": 0, "sources": {}},
        {"cpu": 3, "total": 7, "devices": 2, "sources": {"LOC": 5, "24 eth0-rx-0": 2}}]
    assert result["verdict"] == "fail"
    assert "oslat: 40092 us, above 20 us on CPU 3; cyclictest: 11602 us, above 100 us on CPU 3" in result["verdict_reason"]
    assert [item["status"] for item in result["items"]] == ["not_applicable", "failed", "failed"]


def test_command_lines_measure_the_host_as_it_is_and_wait_on_a_housekeeping_cpu(host):
    tools = Tools(host, oslat=_OSLAT, cyclictest=_CYCLICTEST)
    result = probe(_params(), host, tools)
    oslat, cyclictest = tools.calls
    assert {"--cpu-list=2-3", "--cpu-main-thread=0", "--duration=10"} <= set(oslat)
    assert {"--default-system", "--affinity=2-3", "--threads=2", "--mainaffinity=0", "--priority=80"} <= set(cyclictest)
    assert [shlex.split(test["command"]) for test in result["tests"]][1:] == tools.calls


def test_within_the_thresholds_is_a_pass(host):
    quiet = json.loads(json.dumps(_OSLAT))
    quiet["thread"]["1"].update(max=11, histogram={"1": 100})
    host.tracer()
    tools = Tools(host, oslat=quiet, hwlatdetect=(0, _HWLAT.format("Below threshold"), ""))
    result = probe(_params(tests=["oslat", "hwlatdetect"]), host, tools)
    assert [test["tool"] for test in result["tests"]] == ["hwlatdetect", "oslat"]
    assert (result["verdict"], result["verdict_reason"]) == ("pass", "within the thresholds: hwlatdetect 0 us, oslat 11 us")


def test_guest_is_measured_without_a_claim(host):
    result = probe(_params(tests=["oslat"]), host, Tools(host, "kvm", oslat=_OSLAT))
    assert (result["verdict"], result["verdict_reason"]) == ("no_claim", "virtualised: no claim (kvm)")
    assert _by_tool(result)["oslat"]["max_us"] == 40092
    assert result["items"][0]["status"] == "not_applicable"


def test_host_without_the_tools_is_no_failure(host):
    result = probe(_params(), host, Tools(host))
    assert result["verdict"] == "no_claim"
    assert {test["tool"]: test["reason"] for test in result["tests"]} == {
        "hwlatdetect": "ENOENT: /sys/kernel/tracing/available_tracers: the kernel's tracing is not mounted here",
        "oslat": "ENOENT: oslat is not installed; it is in the package rt-tests",
        "cyclictest": "ENOENT: cyclictest is not installed; it is in the package rt-tests"}


def test_what_the_tool_cannot_do_here_is_told_in_its_own_words(host):
    refused = (1, "", "WARN: High resolution timers not available\nFATAL: Unable to change scheduling policy!\n")
    result = probe(_params(tests=["cyclictest"]), host, Tools(host, cyclictest=refused))
    assert result["tests"][0]["status"] == "not_applicable"
    assert "exit status 1: WARN: High resolution timers not available FATAL: Unable to change" in result["tests"][0]["reason"]


def test_tool_that_does_not_end_is_ended_and_fails(host):
    result = probe(_params(tests=["oslat"]), host, Tools(host, oslat=(124, "", "")))
    assert (result["verdict"], result["tests"][0]["status"]) == ("fail", "failed")
    assert "oslat: had not ended 60 s after its 10 s" in result["verdict_reason"]


@pytest.mark.parametrize("report", ["", "[]", "{}", '{"rt_test_version:": "2.4", "thread": {"0": {}}}',
                                    '{"rt_test_version:": "2", "thread": {}}'])
def test_json_of_another_program_is_an_error(report):
    with pytest.raises(HostError, match=r"oslat: its JSON is not that of rt-tests 2\.0 or later"):
        json_measured("oslat", report, frozenset({1}))


def test_thread_without_a_cpu_is_that_of_its_place():
    threads = {name: {key: value for key, value in thread.items() if key != "cpu"} for name, thread in _CYCLICTEST["thread"].items()}
    found = json_measured("cyclictest", json.dumps({**_CYCLICTEST, "thread": threads}), frozenset({5, 7}))
    assert [one.cpu for one in found.cpus] == [5, 7]


def test_hwlat_stalls_are_read_and_tracing_is_as_before(host):
    host.tracer()
    before = host.everything()

    class Leaving(Tools):
        def __call__(self, argv, **options):
            if "hwlatdetect" in argv:
                for name, value in {"tracing_on": "0", "tracing_thresh": "10"}.items():
                    host.write(f"{_TRACING}/{name}", value)
            return super().__call__(argv, **options)

    result = probe(_params(tests=["hwlatdetect"]), host, Leaving(host, hwlatdetect=(1, _HWLAT.format("47us"), "")))
    assert (result["verdict"], result["verdict_reason"]) == ("fail", "hwlatdetect: 47 us, above 10 us")
    assert host.everything() == before


@pytest.mark.parametrize(("tracer", "reason"), [
    ({"available": "function nop"}, "this kernel has no hwlat tracer (/sys/kernel/tracing/available_tracers: function nop)"),
    ({"current": "function"}, "EBUSY: the tracer function is in use"),
])
def test_kernel_without_a_free_hwlat_tracer_is_not_applicable(host, tracer, reason):
    host.tracer(**tracer)
    tools = Tools(host, hwlatdetect=(0, "", ""))
    result = probe(_params(tests=["hwlatdetect"]), host, tools)
    assert result["tests"][0]["reason"].startswith(reason)
    assert tools.calls == []


def test_hwlatdetect_without_a_result_is_an_error():
    with pytest.raises(HostError, match="no line 'Max Latency:'"):
        hwlatdetect_measured("Traceback\n", "0.8")


@pytest.mark.parametrize(("cpus", "said"), [
    ("2-9", "cpus: CPU 4-9 is not online on this host; it has 0-3"),
    ("3-1", "cpus: 3-1 in '3-1': the range is reversed; write 1-3"),
    ("two", "cpus: two in 'two': expected a CPU list such as 2-5,8"),
])
def test_cpus_that_cannot_be_are_refused(host, cpus, said):
    tools = Tools(host)
    with pytest.raises(HostError) as wrong:
        probe(_params(cpus=cpus), host, tools)
    assert str(wrong.value) == said
    assert tools.calls == []


def test_everything_wrong_is_told_at_once(host):
    with pytest.raises(HostError) as wrong:
        probe(_params(cpus="7", duration_s=0, priority=99, tests=[], thresholds={"oslat_us": 0}), host, Tools(host))
    for part in ("duration_s 0: expected a number from 1 to 86400", "priority 99: expected a number from 1 to 98", "thresholds: oslat_us 0",
                 "tests: nothing to measure", "cpus: CPU 7 is not online"):
        assert part in str(wrong.value)


def test_host_without_isolated_cpus_is_measured_whole(host):
    host.write(f"{_CPU}/isolated", "\n")
    assert probe(_params(), host, Tools(host))["cpus"] == "0-3"
    host.write(f"{_CPU}/nohz_full", "1\n")
    assert probe(_params(), host, Tools(host))["cpus"] == "1"


def test_host_that_trades_is_not_measured(host, monkeypatch):
    def trades(_guard, changes, _host, _run):
        raise HostError(f"refused, nothing was changed: engine e1 holds s1; would change {', '.join(changes)}")

    monkeypatch.setattr(_host_guard, "refuse_while_trading", trades)
    tools = Tools(host, oslat=_OSLAT)
    with pytest.raises(HostError, match=r"would change the load of CPU 2-3 \(oslat, 10 s\)"):
        probe(_params(tests=["oslat"]), host, tools)
    audit = probe(_params(tests=["oslat"]), host, tools, check_mode=True)
    assert (audit["verdict"], audit["tests"][0]["status"]) == ("no_claim", "not_applicable")
    assert "engine e1 holds s1" in audit["refused"]
    assert tools.calls == []


@pytest.mark.parametrize("seed", range(20))
def test_percentiles_are_those_of_the_sorted_samples(seed):
    dice = random.Random(seed)  # noqa: S311  (nothing secret)
    samples = sorted(dice.choice([dice.randrange(1, 30), dice.randrange(1, 2000)]) for _number in range(dice.randrange(1, 500)))
    limit = dice.choice([10, 100, 5000])
    histogram = {value: samples.count(value) for value in set(samples) if value < limit}
    overflow = sum(value >= limit for value in samples)
    latency = CpuLatency(0, len(samples), overflow, samples[0], 1.0, samples[-1], histogram)
    for share in (0.5, 0.99, 0.999):
        exact = samples[-(-int(share * 1000) * len(samples) // 1000) - 1]
        assert latency.percentile(share) == (exact if exact < limit else samples[-1])
