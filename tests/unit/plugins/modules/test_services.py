# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import random
import re
import time

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl
from ansible_collections.hft.ops.plugins.modules.services import apply


def _unit(name, enabled=None, masked=None, state=None, stale_after=None):
    return {"name": name, "enabled": enabled, "masked": masked, "state": state, "stale_after": stale_after}


def _apply(systemd, *units, check_mode=False, root="/"):
    plan = Plan(check_mode)
    return {**apply(list(units), Host(root), Systemctl(systemd), plan), **plan.result()}


def _outcome(result):
    return [(unit["name"], unit["status"]) for unit in result["units"]]


def test_all_units_are_read_in_one_call_and_written_with_one_per_verb(systemd):
    for name in ("a.service", "b.service"):
        systemd.add(name, "disabled", "inactive")
    systemd.add("c.service")
    result = _apply(systemd, _unit("a.service", True, state="started"), _unit("b.service", True, state="started"),
                    _unit("c.service", False, True, "stopped"))
    assert systemd.writes() == [
        ("stop", "c.service"), ("disable", "c.service"), ("mask", "c.service"),
        ("enable", "a.service", "b.service"), ("start", "a.service", "b.service"),
    ]
    assert systemd.unread == ["disable", "mask"], "systemd reads every unit file once, after the last change of one"
    assert systemd.calls[0] == ("show", "a.service", "b.service", "c.service")
    assert _outcome(result) == [("a.service", "applied"), ("b.service", "applied"), ("c.service", "applied")]
    systemd.calls.clear()
    assert not _apply(systemd, _unit("a.service", True, state="started"), _unit("c.service", False, True, "stopped"))["changed"]
    assert systemd.writes() == []


def test_wanted_unit_that_is_not_there_is_planned_and_then_an_error(systemd):
    planned = _apply(systemd, _unit("x.service", True, state="started"), check_mode=True)
    assert {one["path"] for one in planned["differences"]} == {"x.service"}
    assert planned["units"][0]["reason"] == "not installed yet"
    with pytest.raises(HostError, match=r"^x\.service: no such unit on this host; install the package"):
        _apply(systemd, _unit("x.service", True, state="started"))


def test_unwanted_unit_that_is_not_there_is_not_applicable(systemd):
    result = _apply(systemd, _unit("snapd.service", False, True, "stopped"))
    assert not result["changed"]
    assert _outcome(result) == [("snapd.service", "not_applicable")]


@pytest.mark.parametrize("seed", range(40))
def test_what_check_mode_plans_is_what_the_run_does(systemd, seed):
    dice = random.Random(seed)  # noqa: S311  (nothing secret)
    names = [f"{letter}.service" for letter in "abcde"]
    for name in names:
        systemd.add(name, dice.choice(["enabled", "disabled", "static", "masked"]), dice.choice(["active", "inactive", "failed"]))
    wanted = []
    for name in dice.sample(names, dice.randrange(1, 6)):
        on = dice.random() < 0.5
        wanted.append(_unit(name, on, masked=not on, state="started" if on else "stopped"))
    planned = _apply(systemd, *wanted, check_mode=True)
    assert systemd.writes() == []
    done = _apply(systemd, *wanted)
    assert done["differences"] == planned["differences"]
    assert not _apply(systemd, *wanted)["changed"]


def test_masked_unit_is_not_started_behind_the_operators_back(systemd):
    systemd.add("a.service", "masked", "inactive")
    with pytest.raises(HostError, match=r"^a\.service: is masked on this host; add masked: false"):
        _apply(systemd, _unit("a.service", state="started"))
    assert _outcome(_apply(systemd, _unit("a.service", True, False, "started"))) == [("a.service", "applied")]


def test_unit_that_fails_to_start_is_named_with_its_result(systemd):
    systemd.add("good.service", "enabled", "inactive")
    systemd.add("bad.service", "enabled", "inactive")
    systemd.failing.add("bad.service")
    expected = "bad.service: wanted running, is failed (exit-code, exit status 214); read journalctl -u bad.service"
    with pytest.raises(HostError, match=f"^{re.escape(expected)}$"):
        _apply(systemd, _unit("good.service", state="started"), _unit("bad.service", state="started"))


def test_unit_that_starts_again_by_itself_is_a_failure(systemd):
    systemd.add("a.service")
    systemd._stop = lambda name: True
    with pytest.raises(HostError, match="wanted stopped, is active; something starts it again"):
        _apply(systemd, _unit("a.service", state="stopped"))


def test_unmet_condition_is_not_applicable_and_is_not_tried_every_time(systemd):
    systemd.add("fstrim.timer", "enabled", "inactive", ConditionResult="no", ConditionTimestampMonotonic="5")
    systemd.unmet.add("fstrim.timer")
    result = _apply(systemd, _unit("fstrim.timer", state="started"))
    assert not result["changed"]
    assert result["units"][0]["reason"] == "ConditionPathExists=/x failed."
    systemd.unmet.clear()
    assert _apply(systemd, _unit("fstrim.timer", state="started"))["changed"]


@pytest.mark.parametrize(("age", "restarted"), [(-3600, False), (3600, True)])
def test_restart_only_when_the_files_are_newer_than_the_unit(systemd, tmp_path, age, restarted):
    systemd.add("a.service")
    (tmp_path / "a.conf").write_text("x")
    os.utime(tmp_path / "a.conf", times=(time.time() + age,) * 2)
    result = _apply(systemd, _unit("a.service", state="restarted", stale_after=["/a.conf", "/none"]), root=tmp_path)
    assert result["changed"] is restarted
    assert systemd.writes() == ([("restart", "a.service")] if restarted else [])


def test_switched_link_makes_what_lies_behind_it_new(systemd, tmp_path):
    (tmp_path / "release").mkdir()
    os.utime(tmp_path / "release", times=(0, 0))
    systemd.add("a.service", InactiveExitTimestampMonotonic="0")
    systemd.units["a.service"]["InactiveExitTimestampMonotonic"] = str(int((time.clock_gettime(time.CLOCK_MONOTONIC) - 60) * 1e6))
    (tmp_path / "current").symlink_to("release")
    assert _apply(systemd, _unit("a.service", state="restarted", stale_after=["/current"]), root=tmp_path)["changed"]


def test_restart_does_not_start_what_does_not_run(systemd, tmp_path):
    (tmp_path / "a.conf").write_text("x")
    systemd.add("a.service", "enabled", "inactive")
    assert not _apply(systemd, _unit("a.service", state="restarted", stale_after=["/a.conf"]), root=tmp_path)["changed"]
    assert not _apply(systemd, _unit("b.service", state="restarted", stale_after=["/a.conf"]), root=tmp_path, check_mode=True)["changed"]


def test_check_mode_reports_the_restart_of_a_running_unit_because_its_file_is_not_written_yet(systemd, tmp_path):
    (tmp_path / "a.conf").write_text("x")
    os.utime(tmp_path / "a.conf", times=(0, 0))
    systemd.add("a.service")
    assert _apply(systemd, _unit("a.service", state="reloaded", stale_after=["/a.conf"]), root=tmp_path, check_mode=True)["changed"]


def test_changed_unit_file_is_read_before_the_units_are_judged(systemd):
    systemd.add("a.service", NeedDaemonReload="yes")
    assert not _apply(systemd, _unit("a.service", state="started"), check_mode=True)["daemon_reloaded"]
    assert systemd.writes() == []
    result = _apply(systemd, _unit("a.service", state="started"))
    assert result["daemon_reloaded"]
    assert not result["changed"]


def test_everything_wrong_with_the_input_is_told_in_one_error(systemd):
    with pytest.raises(HostError) as wrong:
        _apply(systemd, _unit("a", state="started"), _unit("b.service", True, True), _unit("c.service"),
               _unit("d.service", state="stopped"), _unit("d.service", state="started", stale_after=["/x"]))
    for expected in (
        "a: expected the full name with its suffix, such as a.service",
        "b.service: masked and enabled or running exclude each other",
        "c.service: nothing is wanted of it",
        "d.service: listed twice",
        "d.service: stale_after needs state restarted or reloaded",
    ):
        assert expected in str(wrong.value)
    assert systemd.calls == []
