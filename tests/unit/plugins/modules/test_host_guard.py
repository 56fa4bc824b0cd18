# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose engine trades is not disturbed: asked of an engine that answers."""

from __future__ import annotations

import json

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._host_guard import live_changes, refusal
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

_GUARD = {"service": "hft_system.service", "config": "/opt/hft_system/config/production.json", "api_token": None, "allow_disruption": False}


@pytest.fixture
def host(tmp_path, played):
    host = Host(tmp_path)
    host.path("/run/systemd/system").mkdir(parents=True)
    host.path(_GUARD["config"]).parent.mkdir(parents=True)
    host.path(_GUARD["config"]).write_text(json.dumps({"api": {"port": played[1].port}}))
    return host


def test_engine_that_holds_a_lease_is_not_disturbed_and_the_audit_goes_on(host, played, systemd):
    systemd.add("hft_system.service")
    with pytest.raises(HostError, match=r"engine e1 is primary and holds mm \(epoch 4\); would change irq 24"):
        refusal(_GUARD, ["irq 24"], host, systemd, check_mode=False)
    assert "engine e1 is primary and holds mm (epoch 4)" in refusal(_GUARD, ["irq 24"], host, systemd, check_mode=True)


def test_standby_may_be_disturbed(host, played, systemd):
    systemd.add("hft_system.service")
    played[0].status.update(role="standby")
    played[0].mm.update(holder="e2/bb")
    assert refusal(_GUARD, ["irq 24"], host, systemd, check_mode=False) == ""


def test_engine_that_does_not_answer_may_trade(host, played, systemd):
    systemd.add("hft_system.service")
    host.path(_GUARD["config"]).write_text(json.dumps({"api": {"port": 1}}))
    with pytest.raises(HostError, match=r"hft_system\.service is active and cannot be asked whether it trades"):
        refusal(_GUARD, ["irq 24"], host, systemd, check_mode=False)


@pytest.mark.parametrize("unit", ["inactive", None])
def test_host_without_a_running_engine_may_be_disturbed(host, played, systemd, unit):
    if unit:
        systemd.add("hft_system.service", active=unit)
    assert refusal(_GUARD, ["irq 24"], host, systemd, check_mode=False) == ""
    assert played[0].asked == []


def test_caller_may_say_otherwise_and_what_changes_nothing_is_not_asked_about(host, played, systemd):
    systemd.add("hft_system.service")
    assert refusal({**_GUARD, "allow_disruption": True}, ["irq 24"], host, systemd, check_mode=False) == ""
    assert refusal(_GUARD, [], host, systemd, check_mode=False) == ""
    assert played[0].asked == []


def test_files_disturb_nobody():
    plan = Plan(check_mode=True)
    plan.change(Difference("persisted", "/etc/x", None, "x"), write=lambda: None)
    plan.change(Difference("live", "irq 24", "0-3", "0"), write=lambda: None)
    assert live_changes(plan) == ["irq 24"]
