# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import (
    Applied,
    ahead,
    in_transaction,
    parse,
    pending,
    to_roll_back,
    transaction_control,
)
from ansible_collections.hft.ops.plugins.modules.db_migrate import read_directory

_FILES = {
    "001_one.sql": "CREATE TABLE one ();\n", "rollback/001_rollback.sql": "DROP TABLE one;\n",
    "002_two_more.sql": "CREATE TABLE two ();\n", "rollback/002_rollback.sql": "DROP TABLE two;\n",
    "003_three.sql": "CREATE TABLE three ();\n", "rollback/003_rollback.sql": "DROP TABLE three;\n",
}


def _applied(*versions: int, files: dict | None = None) -> list:
    return [Applied(one.version, one.description, one.sha256) for one in parse(files or _FILES, "/m") if one.version in versions]


def test_files_become_migrations_in_order() -> None:
    found = parse(_FILES, "/m")
    assert [(one.version, one.description, one.label) for one in found] == [
        (1, "one", "001_one"), (2, "two more", "002_two_more"), (3, "three", "003_three")]
    assert found[0].sha256 == "7ce5e93a16105bd12f196d7e73acdb89ee15543a70c88e5e7039a3a3b2afefdc"


@pytest.mark.parametrize(("change", "named"), [
    ({"002_again.sql": ""}, "002_again.sql and 002_two_more.sql: share number 2"),
    ({"005_five.sql": "", "rollback/005_rollback.sql": ""}, "004: missing between 001 and 005"),
    ({"004_four.sql": ""}, "rollback/004_rollback.sql: missing, so 004_four.sql could not be taken back"),
    ({"four.sql": ""}, "four.sql: expected NNN_description.sql"),
    ({"004_Four.sql": ""}, "004_Four.sql: expected NNN_description.sql"),
    ({"003_three.sql": "SELECT 1;\n\ncommit;\n"}, "003_three.sql, line 3: COMMIT would end the transaction"),
    ({"rollback/003_rollback.sql": "BEGIN;\n"}, "rollback/003_rollback.sql, line 1: BEGIN"),
    ({"003_three.sql": "SELECT 1;\n\\! id\n"}, "003_three.sql, line 2: a backslash outside a text is a command to psql"),
    ({"003_three.sql": "-- x\n-- hft: phase contract\n"}, "003_three.sql, line 2: unknown header 'phase contract'; expected 'no-tr"),
    ({"003_three.sql": "SELECT 1;\n-- hft: no-transaction\n"}, "003_three.sql, line 2: a header counts only above the first statement"),
    ({"rollback/003_rollback.sql": "-- hft: contract since 0.3.0\n"}, "rollback/003_rollback.sql, line 1: unknown header"),
])
def test_files_that_cannot_be_trusted_are_refused(change: dict, named: str) -> None:
    with pytest.raises(HostError, match=r"^/m: ") as refused:
        parse({**_FILES, **change}, "/m")
    assert named in str(refused.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(HostError) as refused:
        parse({**_FILES, "005_five.sql": "", "bad name.sql": ""}, "/m")
    assert str(refused.value).count(";") == 3
    assert "bad name.sql" in str(refused.value)
    assert "rollback/005_rollback.sql: missing" in str(refused.value)


def test_an_empty_directory_is_refused() -> None:
    with pytest.raises(HostError, match="holds no NNN_description"):
        parse({"rollback/001_rollback.sql": ""}, "/m")


@pytest.mark.parametrize(("done", "target", "labels"), [
    ((), None, ["001_one", "002_two_more", "003_three"]),
    ((), 2, ["001_one", "002_two_more"]),
    ((1, 2), None, ["003_three"]),
    ((1, 2, 3), None, []),
    ((1, 2, 3), 1, []),
])
def test_pending(done: tuple, target: object, labels: list) -> None:
    assert [one.label for one in pending(parse(_FILES, "/m"), _applied(*done), target, "/m")] == labels


@pytest.mark.parametrize(("done", "target", "labels"), [
    ((1, 2, 3), 0, ["003_three", "002_two_more", "001_one"]),
    ((1, 2, 3), 2, ["003_three"]),
    ((1,), 2, []),
])
def test_to_roll_back_is_youngest_first(done: tuple, target: int, labels: list) -> None:
    assert [one.label for one in to_roll_back(parse(_FILES, "/m"), _applied(*done), target, "/m")] == labels


@pytest.mark.parametrize("plan", [pending, to_roll_back])
def test_an_applied_file_that_changed_is_refused(plan) -> None:
    changed = parse({**_FILES, "001_one.sql": "CREATE TABLE one (id int);\n"}, "/m")
    with pytest.raises(HostError, match=r"001_one\.sql: was changed after it was applied"):
        plan(changed, _applied(1), 1, "/m")


def test_an_applied_file_that_got_another_name_is_refused() -> None:
    renamed = {**{name: text for name, text in _FILES.items() if not name.startswith("003")}, "003_drei.sql": _FILES["003_three.sql"]}
    with pytest.raises(HostError, match=r"003_drei\.sql: was applied with the description 'three'"):
        pending(parse(renamed, "/m"), _applied(1, 2, 3), None, "/m")


def test_headers_stand_above_the_first_statement() -> None:
    files = {**_FILES, "002_two_more.sql": "-- licence\n\n-- hft: no-transaction\n-- hft: contract since 0.3.0\nDROP TABLE x;\n"}
    one, two = parse(files, "/m")[:2]
    assert (one.contract_since, two.contract_since) == (None, "0.3.0")
    assert (in_transaction(one.sql), in_transaction(two.sql), in_transaction(two.rollback_sql)) == (True, False, True)


def test_a_hole_in_the_ledger_is_refused() -> None:
    with pytest.raises(HostError, match=r"002_two_more\.sql: is not applied, but 003 is"):
        pending(parse(_FILES, "/m"), _applied(1, 3), None, "/m")


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(HostError, match="target 9: no such version in /m; it has 1 to 3"):
        pending(parse(_FILES, "/m"), [], 9, "/m")


def test_a_directory_older_than_the_database_is_noticed() -> None:
    older = {name: text for name, text in _FILES.items() if "003" not in name}
    assert ahead(parse(older, "/m"), _applied(1, 2, 3)) == [3]
    assert ahead(parse(_FILES, "/m"), _applied(1, 2)) == []


@pytest.mark.parametrize("sql", [
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n  PERFORM 1;\nEND;\n$$;",
    "DO $body$ BEGIN NULL; END; $body$;",
    "INSERT INTO t VALUES ('; COMMIT;');",
    "INSERT INTO t VALUES (E'it\\'s; COMMIT;');",
    "-- COMMIT;\nSELECT 1; /* ; COMMIT; */",
    "SELECT CASE WHEN a THEN 1 ELSE 2 END;",
    'SELECT "; COMMIT;" FROM t;',
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;",
    "SELECT commit FROM t;",
])
def test_words_in_bodies_texts_and_comments_end_no_transaction(sql: str) -> None:
    assert transaction_control(sql) == []


@pytest.mark.parametrize(("sql", "found"), [
    ("COMMIT;", (1, "COMMIT")),
    ("SELECT 1;\nrollback", (2, "ROLLBACK")),
    ("-- first\n\nSTART  TRANSACTION;", (3, "START TRANSACTION")),
    ("DO $$ BEGIN NULL; END $$; END;", (1, "END")),
    ("SELECT 1; BEGIN ISOLATION LEVEL SERIALIZABLE;", (1, "BEGIN")),
])
def test_statements_that_end_the_transaction_are_found(sql: str, found: tuple) -> None:
    assert transaction_control(sql) == [found]


def test_a_directory_is_read_with_its_rollback_files(tmp_path) -> None:
    for name, text in {**_FILES, "README.md": "no migration"}.items():
        target = tmp_path / "m" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    assert read_directory(Host(tmp_path), "/m") == _FILES


def test_a_directory_that_is_missing_is_named(tmp_path) -> None:
    with pytest.raises(HostError, match="directory /m: does not exist on this host"):
        read_directory(Host(tmp_path), "/m")
