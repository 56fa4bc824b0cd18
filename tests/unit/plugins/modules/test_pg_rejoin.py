# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import ABSENT, FRESH, PRIMARY, STANDBY, STARTING, STOPPED
from ansible_collections.hft.ops.plugins.module_utils._postgres_following import Following
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import Identity
from ansible_collections.hft.ops.plugins.modules.pg_rejoin import Outdated

_PARAMETERS = {
    "version": 17, "cluster": "main", "port": 5432, "system_identifier": "7", "base_backup": "if_needed", "timeout_s": 1,
    "primary_host": "p1", "primary_port": 5432, "user": "r", "password": "s", "passfile": "/p", "slot": "db", "application_name": "db",
    "sslmode": "prefer", "sslrootcert": "", "database": "hft_db",
}


def _outdated(timeline: int = 1, theirs: int = 2, system: str = "7", **upstream: object) -> Outdated:
    outdated = Outdated(SimpleNamespace(params=dict(_PARAMETERS), run_command=None))
    control = {"Database system identifier": system}
    outdated.cluster = SimpleNamespace(unit="postgresql@17-main.service", data_directory="/data", version=17, host=None,
                                       control_data=lambda run: control, timeline=lambda run: timeline)
    answers = {"is_this_host": lambda: False, "identify": lambda password: Identity("7", theirs, 17), "is_standby": lambda password: False,
               "keeps_slot": lambda password, slot: True, **upstream}
    outdated.following = Following(outdated.cluster, SimpleNamespace(host="p1", conninfo=lambda: "", **answers), "db")
    return outdated


@pytest.mark.parametrize("state", [PRIMARY, STANDBY, STOPPED])
def test_an_outdated_member_may_be_wound_back(state: str) -> None:
    assert _outdated().refuse(state) == Identity("7", 2, 17)


def test_a_stopped_one_on_the_same_timeline_may_follow() -> None:
    assert _outdated(timeline=2).refuse(STOPPED).timeline == 2


@pytest.mark.parametrize(("state", "more", "said"), [
    (ABSENT, {}, "was never a primary"),
    (FRESH, {}, "was never a primary"),
    (STARTING, {}, "wait until it answers"),
    (PRIMARY, {"timeline": 2}, "only an outdated primary"),
    (PRIMARY, {"timeline": 3}, "only an outdated primary"),
    (STOPPED, {"timeline": 3}, "only an outdated primary"),
    (STOPPED, {"system": "8"}, "belongs to system 8"),
    (STOPPED, {"is_this_host": lambda: True}, "is this host itself"),
    (STOPPED, {"is_standby": lambda password: True}, "is a standby itself"),
    (STOPPED, {"keeps_slot": lambda password, slot: False}, "slot db: does not exist on p1"),
    (STOPPED, {"identify": lambda password: Identity("7", 2, 16)}, "runs PostgreSQL 16, this host has 17"),
    (STOPPED, {"identify": lambda password: Identity("9", 2, 17)}, "belongs to system 7"),
])
def test_what_must_not_be_wound_back_is_refused(state: str, more: dict, said: str) -> None:
    with pytest.raises(HostError, match=said):
        _outdated(**more).refuse(state)


def test_what_is_lost_is_counted_once_it_stands_still_and_kept_before_it_is_wound_back() -> None:
    outdated, steps = _outdated(), []

    def step(name: str, answer: object = None) -> object:
        return lambda *_given: steps.append(name) or answer

    outdated.systemctl = SimpleNamespace(do=step("stop"))
    outdated.discarded = SimpleNamespace(names={}, count=step("count"), keep=step("keep", {"transactions": 3}), learn=step("learn"))
    outdated._rewind, outdated._serve = step("rewind", True), step("serve")
    outdated.rejoin(Identity("7", 2, 17))
    assert steps == ["stop", "count", "keep", "rewind", "serve", "learn", "keep"]
    assert outdated.outcome["discarded"] == {"transactions": 3}


@pytest.mark.parametrize(("timeline", "parting", "found"), [
    (2, None, 0),  # on the same timeline: nothing was committed by itself
    (1, None, None),  # a history that does not know it
])
def test_where_nothing_can_be_counted(timeline: int, parting: object, found: int | None) -> None:
    outdated = _outdated(timeline=timeline, parting=lambda *_given: parting)
    told = outdated.look_at_what_is_lost(Identity("7", 2, 17), STOPPED)
    assert (told or {"transactions": None})["transactions"] == found
    assert outdated.discarded is None
