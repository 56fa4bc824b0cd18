# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._pgbackrest import CONFIG, PROGRAM, PgBackRest, nothing, reason, summary
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres_rows import differences, refuse_bad_tables
from ansible_collections.hft.ops.plugins.module_utils._postgres_scratch import Target, failure, pages
from ansible_collections.hft.ops.plugins.modules import pgbackrest
from ansible_collections.hft.ops.plugins.modules.pgbackrest_info import gate

_NOW = 1795300000
_GATE = {"stanza": "hft", "max_age_s": 0, "archiving": False, "expect": "nothing"}
_ARCHIVER = {"failing": False, "command": "pgbackrest --stanza=hft archive-push %p", "last_failed_age_s": 3, "last_failed_wal": "0A",
             "waiting_segments": 2}


def _backup(label: str, kind: str, stop: int, **more: object) -> dict:
    return {"label": label, "type": kind, "error": False, "timestamp": {"start": stop - 6, "stop": stop},
            "info": {"size": 1000, "repository": {"delta": 100}}, "archive": {"start": "01", "stop": "02"}, **more}


def _told(code: int = 0, message: str = "ok", backups: tuple = (), repository: tuple[int, str] = (0, "ok")) -> list[dict]:
    return [{"name": "hft", "cipher": "aes-256-cbc", "status": {"code": code, "message": message}, "backup": list(backups),
             "db": [{"system-id": 7710747024841685801, "version": "17"}], "archive": [{"min": "01", "max": "05"}],
             "repo": [{"status": {"code": repository[0], "message": repository[1]}}]}]


class Program:
    """pgbackrest and systemctl that keep what they were asked for; it stands where `module.run_command` does."""

    def __init__(self, *answers: list[dict]) -> None:
        self.answers = list(answers)
        self.calls: list[str] = []

    def __call__(self, argv: list[str], **_options: object) -> tuple[int, str, str]:
        self.calls.append(argv[-1] if argv[0] == "runuser" else " ".join(argv))
        return (0, json.dumps(self.answers.pop(0)), "") if argv[-1] == "info" else (0, "", "")


@pytest.fixture
def host(tmp_path):
    for path in (PROGRAM, CONFIG):
        (tmp_path / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path.lstrip("/")).write_text("")
    return Host(tmp_path)


def _apply(host: Host, program: Program, check_mode: bool = False, **params: object) -> tuple[dict, list[str], list[str]]:
    plan, taken = Plan(check_mode), []
    given = {"stanza": "hft", "first_backup": True, "unit": "full.service", "check": True, **params}
    result = pgbackrest.apply(given, PgBackRest(host, program, "hft"), taken.append, plan)
    return result, [difference.path for difference in plan.differences], taken


def test_an_empty_repository_gets_its_stanza_and_a_backup_and_is_checked(host) -> None:
    program = Program([])
    result, planned, taken = _apply(host, program)
    assert planned == ["hft (stanza)", "hft (full backup)"]
    assert program.calls == ["info", "stanza-create", "check"]
    assert taken == ["full.service"]
    assert result == {"state": "no_stanza", "checked": True}


def test_a_stanza_with_a_backup_is_only_checked(host) -> None:
    program = Program(_told(backups=(_backup("F", "full", _NOW),)))
    result, planned, taken = _apply(host, program)
    assert (planned, taken, program.calls) == ([], [], ["info", "check"])
    assert result["state"] == "ok"


def test_check_mode_plans_everything_where_nothing_is_installed(tmp_path) -> None:
    program = Program()
    result, planned, taken = _apply(Host(tmp_path), program, check_mode=True)
    assert planned == ["hft (stanza)", "hft (full backup)"]
    assert (program.calls, taken, result["checked"]) == ([], [], False)


def test_a_first_backup_is_left_out_on_request(host) -> None:
    program = Program(_told(2, "no valid backups"))
    result, planned, taken = _apply(host, program, first_backup=False)
    assert (planned, taken, result["state"]) == ([], [], "no_backup")


def test_without_the_program_the_role_is_named(tmp_path) -> None:
    with pytest.raises(HostError, match="on it first"):
        PgBackRest(Host(tmp_path), Program(), "hft").run("info")


def test_last_backups_are_told_by_type_and_a_bad_one_does_not_count() -> None:
    found = summary("hft", _told(backups=(_backup("F", "full", _NOW - 100), _backup("I", "incr", _NOW - 10),
                                          _backup("B", "incr", _NOW - 5, error=True))), _NOW)
    assert (found["last"]["full"]["label"], found["last"]["incr"]["label"], found["last"]["any"]["label"]) == ("F", "I", "I")
    assert found["last"]["any"]["age_s"] == 10
    assert found["system_identifier"] == "7710747024841685801"
    assert found["wal"] == {"min": "01", "max": "05"}


@pytest.mark.parametrize(("message", "said"), [
    ("[CryptoError] unable to load info file\nHINT: is or was the repo encrypted?", "give the passphrase that it was made with"),
    ("[CryptoError] unable to load cert file '/x/host.crt'", "run the role hft.ops.pgbackrest"),
    ("[HostConnectError] unable to connect", "unable to connect"),
])
def test_a_repository_that_cannot_be_read_is_an_error_with_a_way_out(message: str, said: str) -> None:
    with pytest.raises(HostError, match=said):
        summary("hft", _told(99, "other", repository=(99, message)), _NOW)


def test_an_unknown_stanza_is_no_stanza() -> None:
    assert summary("other", _told(), _NOW)["state"] == "no_stanza"


def test_errors_of_the_program_come_on_one_line_with_their_hints() -> None:
    output = ("2026-01-01 00:00:00.000 P00  ERROR: [082]: WAL segment was not archived\n"
              "                                    HINT: check the archive_command\n"
              "2026-01-01 00:00:00.001 P00   INFO: check command end\n")
    assert reason(output) == "[082]: WAL segment was not archived; HINT: check the archive_command"


@pytest.mark.parametrize(("more", "age_s", "archiver", "said"), [
    ({"max_age_s": 60}, 61, {}, "is 61 s old, at most 60 s are allowed"),
    ({"max_age_s": 60}, None, {}, "no backup of the last 60 s"),
    ({"expect": "backup"}, None, {}, "expected a backup"),
    ({"archiving": True}, 1, {**_ARCHIVER, "failing": True}, "archive_command: failed 3 s ago for 0A, 2 segments wait"),
    ({"archiving": True}, 1, {**_ARCHIVER, "command": "/bin/true"}, "which archives nothing"),
])
def test_a_gate_says_what_is_short(more: dict, age_s: int | None, archiver: dict, said: str) -> None:
    found = nothing("no_backup", "no valid backups")
    if age_s is not None:
        found = summary("hft", _told(backups=(_backup("F", "full", _NOW - age_s),)), _NOW)
    found["archiver"] = archiver
    assert said in "; ".join(gate(found, {**_GATE, **more}, check_mode=False))


def test_a_gate_lets_a_young_backup_and_a_working_archive_through() -> None:
    found = {**summary("hft", _told(backups=(_backup("F", "full", _NOW - 5),)), _NOW), "archiver": _ARCHIVER}
    assert gate(found, {**_GATE, "max_age_s": 60, "archiving": True, "expect": "backup"}, check_mode=False) == []


def test_what_the_run_is_to_make_is_not_expected_in_check_mode() -> None:
    found = {**nothing("not_installed", "not installed"), "archiver": {}}
    assert gate(found, {**_GATE, "expect": "backup"}, check_mode=True) == []
    assert gate(found, {**_GATE, "max_age_s": 1}, check_mode=True) != []


@pytest.mark.parametrize(("value", "option"), [
    ("2026-01-31 12:00:00.5+00", "--target=2026-01-31 12:00:00.5+00"),
    ("2026-01-31T12:00:00Z", "--target=2026-01-31 12:00:00+00"),
])
def test_a_time_is_handed_over_with_its_zone(value: str, option: str) -> None:
    assert Target.of("time", value).options() == ["--type=time", option, "--target-action=promote"]


@pytest.mark.parametrize(("kind", "value", "said"), [
    ("time", "2026-01-31 12:00:00", "expected a time with its zone"),
    ("time", "", "needs one"),
    ("latest", "2026-01-31 12:00:00+00", "means nothing with target_type latest"),
])
def test_a_target_that_could_be_misread_is_refused(kind: str, value: str, said: str) -> None:
    with pytest.raises(HostError, match=said):
        Target.of(kind, value)


def test_a_timeline_is_followed_on_request() -> None:
    assert Target.of("latest", "", 3).options() == ["--type=default", "--target-timeline=3"]
    assert Target.of("name", "x", 3).options()[-1] == "--target-timeline=3"


@pytest.mark.parametrize(("log", "said"), [
    ("LOG: x\nFATAL:  recovery ended before configured recovery target was reached\n", "choose an earlier one, or target_type latest"),
    ("FATAL:  could not access file \"timescaledb\": No such file\n", "could not access file"),
    ("LOG:  redo in progress\n", "timeout_s"),
])
def test_the_end_of_a_failed_recovery_is_told(log: str, said: str) -> None:
    assert said in failure(log)


def test_figures_of_pg_checksums_are_read() -> None:
    out = "Checksum operation completed\nFiles scanned:   1387\nBlocks scanned:  4015\nBad checksums:  1\nData checksum version: 1\n"
    assert pages(out) == {"files": 1387, "blocks": 4015, "bad": 1}
    assert pages("pg_checksums: error: cluster must be shut down") == {}


def test_tables_that_differ_are_named() -> None:
    expected = {"a": {"rows": 3, "digest": "1"}, "b": {"rows": 2, "digest": "5"}, "c": {"rows": "1", "digest": ""}}
    found = {"a": {"rows": 2, "digest": "1"}, "b": {"rows": 2, "digest": "6"}, "c": {"rows": 1, "digest": ""}}
    assert differences(expected, found) == ["a: 2 rows, expected 3", "b: as many rows as expected (2), with another content"]


def test_names_of_tables_are_no_way_into_the_query() -> None:
    with pytest.raises(HostError, match="expected a lower-case name"):
        refuse_bad_tables([{"name": "fills; DROP TABLE fills", "column": "recorded_at", "content": False}])
