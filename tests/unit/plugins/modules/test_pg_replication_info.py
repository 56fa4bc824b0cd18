# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.hft.ops.plugins.modules import pg_replication_info


def _wait(monkeypatch, states, answering, wait_s=30):
    """The state that the wait ends with, of a server that goes through these, and how often it was asked."""
    left = list(states)

    def information(_cluster):
        return {"state": left.pop(0) if len(left) > 1 else left[0], "standbys": [], "upstream": {}}

    monkeypatch.setattr(pg_replication_info, "information", information)
    monkeypatch.setattr("time.sleep", lambda _s: None)
    return pg_replication_info.wait(SimpleNamespace(unit="postgresql@17-main.service"), False, [], answering, wait_s)["state"]


def test_one_that_starts_is_waited_for_where_that_is_asked(monkeypatch):
    assert _wait(monkeypatch, ["starting", "starting", "standby"], True) == "standby"
    assert _wait(monkeypatch, ["starting", "standby"], False) == "starting"


def test_one_that_is_stopped_is_not(monkeypatch):
    assert _wait(monkeypatch, ["stopped", "standby"], True) == "stopped"


def test_one_that_starts_for_ever_is_told_as_starting(monkeypatch):
    assert _wait(monkeypatch, ["starting"], True, wait_s=-1) == "starting"
