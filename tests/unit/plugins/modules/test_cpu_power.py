# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
import random
import struct
import subprocess

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _host_guard
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.cpu_power import apply

_CPU = "/sys/devices/system/cpu"
_CONFIG, _UNIT = "/etc/hft-cpu-power.conf", "/etc/systemd/system/hft-cpu-power.service"
_DMA, _DMA_UNIT = "/dev/cpu_dma_latency", "/etc/systemd/system/hft-cpu-dma-latency.service"
_FAST = {"governor": "performance", "energy_preference": "performance", "max_wakeup_us": 2, "smt": False, "turbo": True}


class PoweredHost(Host):
    """Two policies of intel_pstate, as that driver behaves: under the governor performance the preference is not to be changed."""

    def __init__(self, root):
        super().__init__(root)
        self.refuses = {}
        self.poked = []
        for policy in ("policy0", "policy1"):
            self.write(f"{_CPU}/cpufreq/{policy}/scaling_governor", "powersave\n")
            self.write(f"{_CPU}/cpufreq/{policy}/scaling_available_governors", "performance powersave\n")
            self.write(f"{_CPU}/cpufreq/{policy}/energy_performance_preference", "balance_performance\n")
            self.write(f"{_CPU}/cpufreq/{policy}/energy_performance_available_preferences",
                       "default performance balance_performance balance_power power\n")
        self.write(f"{_CPU}/intel_pstate/no_turbo", "1\n")
        self.write(f"{_CPU}/smt/control", "on\n")
        self.hold(2_000_000_000)

    def write(self, path, text):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def hold(self, microseconds):
        self.path(_DMA).parent.mkdir(parents=True, exist_ok=True)
        self.path(_DMA).write_bytes(struct.pack("i", microseconds))

    def poke(self, path, value):
        now = self.read(path).strip()
        error = self.refuses.get(path)
        if path.endswith("_preference") and value != now and "performance" in self.read(path.replace("energy_performance_preference",
                                                                                                     "scaling_governor")):
            error = errno.EBUSY
        if error:
            raise OSError(error, os.strerror(error))
        if value != now:
            self.poked.append((path.removeprefix(_CPU + "/"), value))
        super().poke(path, value)

    def everything(self):
        return {str(path): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def host(tmp_path):
    return PoweredHost(tmp_path)


def _apply(host, check_mode=False, run_command=lambda argv, **_more: (0, "", ""), **more):
    plan = Plan(check_mode)
    guard = {"service": "hft_system.service", "config": "/x", "api_token": None, "allow_disruption": False}
    params = {"state": "present", "governor": None, "energy_preference": None, "max_wakeup_us": None, "smt": None, "turbo": None,
              "guard": guard, **more}
    return {**apply(params, host, run_command, plan), **plan.result()}


def _status(result):
    return {item["name"]: item["status"] for item in result["items"]}


def test_every_policy_becomes_fast_and_stays_so(host):
    result = _apply(host, **_FAST)
    assert host.poked == [
        ("cpufreq/policy0/energy_performance_preference", "performance"), ("cpufreq/policy1/energy_performance_preference", "performance"),
        ("cpufreq/policy0/scaling_governor", "performance"), ("cpufreq/policy1/scaling_governor", "performance"),
        ("intel_pstate/no_turbo", "0"), ("smt/control", "off")]
    # The limit of the wake-up time holds once its service runs.
    assert _status(result) == {"scaling_governor": "applied", "energy_performance_preference": "applied", "turbo": "applied",
                               "smt": "applied", "cpu_dma_latency": "drifted"}
    assert result["items"][-1]["reason"] == "hft-cpu-dma-latency.service does not run"
    host.hold(2)
    again = _apply(host, **_FAST)
    assert not again["changed"]
    assert set(_status(again).values()) == {"applied"}


def test_files_are_those_that_systemd_applies_at_boot(host, tmp_path):
    _apply(host, **_FAST)
    assert host.read(_CONFIG).splitlines()[1:] == [
        "w /sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference - - - - performance",
        "w /sys/devices/system/cpu/cpufreq/policy*/scaling_governor - - - - performance",
        "w /sys/devices/system/cpu/intel_pstate/no_turbo - - - - 0",
        "w /sys/devices/system/cpu/smt/control - - - - off"]
    assert "systemd-tmpfiles --create /etc/hft-cpu-power.conf" in host.read(_UNIT)


def test_service_holds_the_limit_in_the_form_that_the_kernel_reads(host):
    _apply(host, max_wakeup_us=70)

    def script(name):
        line = next(line for line in host.read(_DMA_UNIT).splitlines() if line.startswith(f"{name}="))
        return line.split("'")[1].replace("%%", "%").replace("$$", "$").replace(_DMA, str(host.path(_DMA)))

    subprocess.run(["/bin/sh", "-c", script("ExecStart").replace("exec sleep infinity", "true")], check=True)
    assert int(host.read(_DMA), 16) == 70
    assert len(host.read(_DMA)) == 10
    # It counts as started once the kernel says so.
    host.hold(70)
    subprocess.run(["/bin/sh", "-c", script("ExecStartPost")], check=True, timeout=60)


@pytest.mark.parametrize("seed", range(30))
def test_what_check_mode_plans_is_what_the_run_does(host, seed):
    dice = random.Random(seed)  # noqa: S311  (nothing secret)
    preferences = ["performance", "balance_power", None]
    choices = {"max_wakeup_us": [None, 0, 50], "smt": [None, True, False], "turbo": [None, True, False]}
    if dice.random() < 0.5:
        _apply(host, governor="powersave", **{name: dice.choice(values) for name, values in choices.items()})
    for path in (f"{_CPU}/intel_pstate/no_turbo", f"{_CPU}/smt/control", f"{_CPU}/cpufreq/policy1/scaling_governor"):
        if dice.random() < 0.3:
            host.refuses[path] = errno.EPERM
    wanted = {name: dice.choice(values) for name, values in choices.items()}
    wanted.update(dice.choice([{"governor": "performance"}, {"governor": "powersave", "energy_preference": dice.choice(preferences)}, {}]))
    wanted["state"] = dice.choice(["present"] * 4 + ["absent"])
    before = host.everything()
    planned = _apply(host, check_mode=True, **wanted)
    assert host.everything() == before
    done = _apply(host, **wanted)
    assert done["differences"] == planned["differences"]
    assert not _apply(host, **wanted)["changed"]


def test_guest_without_frequency_scaling_says_what_is_missing(tmp_path):
    host = Host(tmp_path)
    result = _apply(host, **_FAST)
    assert set(_status(result).values()) == {"not_applicable"}
    assert {item["name"]: item["reason"] for item in result["items"]} == {
        "scaling_governor": f"ENOENT: {_CPU}/cpufreq/policy*/scaling_governor",
        "energy_performance_preference": f"ENOENT: {_CPU}/cpufreq/policy*/energy_performance_preference",
        "turbo": f"ENOENT: {_CPU}/cpufreq/boost", "smt": f"ENOENT: {_CPU}/smt/control",
        "cpu_dma_latency": f"ENOENT: {_DMA}: No such file or directory"}
    assert not _apply(host, **_FAST)["changed"]


def test_knob_that_the_firmware_forbids_is_not_applicable(host):
    host.refuses[f"{_CPU}/intel_pstate/no_turbo"] = errno.EPERM
    result = _apply(host, turbo=True)
    assert _status(result) == {"turbo": "not_applicable"}
    assert result["items"][0]["reason"] == f"EPERM: {_CPU}/intel_pstate/no_turbo: Operation not permitted; it says 1"


def test_turbo_of_other_drivers_is_boost(host):
    host.path(f"{_CPU}/intel_pstate/no_turbo").unlink()
    host.write(f"{_CPU}/cpufreq/boost", "1\n")
    _apply(host, turbo=False)
    assert host.read(f"{_CPU}/cpufreq/boost").strip() == "0"


@pytest.mark.parametrize("control", ["notsupported", "forceoff", "off"])
def test_smt_that_is_not_there_is_off(host, control):
    host.write(f"{_CPU}/smt/control", control + "\n")
    result = _apply(host, smt=False)
    assert _status(result) == {"smt": "applied"}
    assert host.poked == []


def test_what_was_changed_by_hand_is_the_only_drift(host):
    _apply(host, **_FAST)
    host.hold(2)
    host.write(f"{_CPU}/cpufreq/policy1/scaling_governor", "powersave\n")
    result = _apply(host, check_mode=True, **_FAST)
    assert [(one["path"], one["before"]) for one in result["differences"]] == [(f"{_CPU}/cpufreq/policy1/scaling_governor", "powersave")]
    drifted = [item for item in result["items"] if item["status"] == "drifted"]
    assert [(item["name"], item["live"]) for item in drifted] == [("scaling_governor", "performance powersave")]


def test_refused_preference_restores_every_knob_and_file(host):
    for policy in ("policy0", "policy1"):
        host.write(f"{_CPU}/cpufreq/{policy}/scaling_governor", "performance\n")
    before = host.everything()
    with pytest.raises(HostError, match=r"_preference: the kernel refuses balance_power \(EBUSY: .*only the preference performance"):
        _apply(host, turbo=True, energy_preference="balance_power")
    assert host.everything() == before


@pytest.mark.parametrize(("wanted", "said"), [
    ({"governor": "turbo"}, "governor turbo: this host offers performance, powersave"),
    ({"energy_preference": "fast"},
     "energy_preference fast: this host offers balance_performance, balance_power, default, performance, power"),
    ({"max_wakeup_us": -1}, "max_wakeup_us -1: expected a number from 0 to 100000"),
])
def test_input_that_cannot_be_is_refused_and_nothing_is_written(host, wanted, said):
    before = host.everything()
    with pytest.raises(HostError) as wrong:
        _apply(host, **wanted)
    assert str(wrong.value) == said
    assert host.everything() == before


def test_unknown_governor_is_refused_where_nothing_can_be_set_too(tmp_path):
    with pytest.raises(HostError, match="governor fastest: this host offers conservative, ondemand, performance"):
        _apply(Host(tmp_path), governor="fastest")


def test_absent_removes_every_file_and_says_what_the_boot_brings(host):
    _apply(host, **_FAST)
    result = _apply(host, state="absent")
    assert [host.read(path) for path in (_CONFIG, _UNIT, _DMA_UNIT)] == [None, None, None]
    assert result["reboot_reasons"] == ["power settings: the kernel keeps frequency, turbo and SMT until the next boot"]
    assert not _apply(host, state="absent")["changed"]


def test_service_that_is_no_longer_wanted_is_stopped_before_its_file_goes(host, systemd):
    host.path("/run/systemd/system").mkdir(parents=True)
    _apply(host, run_command=systemd, **_FAST)
    systemd.add("hft-cpu-power.service")
    systemd.add("hft-cpu-dma-latency.service")
    systemd.calls.clear()
    planned = _apply(host, check_mode=True, run_command=systemd, governor="performance")
    assert systemd.writes() == []
    done = _apply(host, run_command=systemd, governor="performance")
    assert done["differences"] == planned["differences"]
    assert systemd.writes() == [("stop", "hft-cpu-dma-latency.service"), ("disable", "hft-cpu-dma-latency.service"), ("daemon-reload",)]
    assert done["units"] == ["hft-cpu-power.service"]
    assert host.read(_DMA_UNIT) is None


def test_host_that_trades_keeps_its_power_settings(host, monkeypatch):
    def trades(_guard, changes, _host, _run):
        raise HostError(f"refused, nothing was changed: engine e1 holds s1; would change {changes[0]}")

    monkeypatch.setattr(_host_guard, "refuse_while_trading", trades)
    before = host.everything()
    with pytest.raises(HostError, match=r"would change .*smt/control"):
        _apply(host, smt=False)
    assert host.everything() == before
    assert "engine e1 holds s1" in _apply(host, check_mode=True, smt=False)["refused"]
