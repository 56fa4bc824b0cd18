# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._migration_phases import expand_only, refuse_contract
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import Migration


def _migrations(*contract_since: str | None) -> list:
    """One migration an argument, from 008 on."""
    return [Migration(version, f"{version:03d}_x.sql", f"-- hft: contract since {since}\n" if since else "", "", "")
            for version, since in enumerate(contract_since, 8)]


def _versions(migrations: list) -> list:
    return [one.version for one in migrations]


@pytest.mark.parametrize(("contract_since", "runs", "waits"), [
    ((), [], []),
    ((None, None), [8, 9], []),
    ((None, "0.3.0"), [8], [9]),
    ((None, "0.3.0", "0.4.0"), [8], [9, 10]),
])
def test_expand_stops_before_the_first_contract_migration(contract_since: tuple, runs: list, waits: list) -> None:
    todo, held = expand_only(_migrations(*contract_since), None, "/m")
    assert (_versions(todo), _versions(held)) == (runs, waits)


@pytest.mark.parametrize(("target", "named"), [
    (9, "target 9 takes in contract migration 008_x.sql; run with phase all, or to 7"),
    (None, "009_x.sql: behind contract migration 008_x.sql, which is not applied"),
])
def test_expand_never_runs_over_a_contract_migration(target: object, named: str) -> None:
    with pytest.raises(HostError) as refused:
        expand_only(_migrations("0.3.0", None), target, "/m")
    assert named in str(refused.value)


@pytest.mark.parametrize(("versions", "connected", "named"), [
    ([], 0, "008_x.sql: is a contract migration and engine_versions is empty"),
    (["0.2.9"], 1, "008_x.sql: needs every engine at 0.3.0 or later, 0.2.9 runs"),
    (["0.10.0", "0.2.10+98486b83"], 2, "0.2.10+98486b83 runs"),
    (["0.3.0-rc.1"], 1, "0.3.0-rc.1 runs"),
    (["0.3.0", ""], 2, "engine_versions: '' cannot be compared"),
    (["0.3.0", "unknown"], 2, "engine_versions: 'unknown' cannot be compared"),
    (["none"], 1, "engine_versions names 0, connected to the database are 1"),
    (["0.3.0"], 2, "engine_versions names 1, connected to the database are 2"),
])
def test_contract_is_refused_unless_every_engine_is_known_and_new_enough(versions: list, connected: int, named: str) -> None:
    with pytest.raises(HostError) as refused:
        refuse_contract(_migrations("0.3.0"), versions, connected, "/m")
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("versions", "connected"), [
    (["none"], 0), (["0.3.0"], 1), (["v0.3.0"], 0), (["0.10.0", "1.0.0+98486b83"], 2), (["0.3.1-rc.1"], 1),
])
def test_contract_runs_when_no_older_engine_does(versions: list, connected: int) -> None:
    refuse_contract(_migrations("0.3.0"), versions, connected, "/m")


def test_without_a_contract_migration_nobody_has_to_be_asked() -> None:
    refuse_contract(_migrations(None), [], 3, "/m")
