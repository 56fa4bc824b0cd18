# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for which server; that a server takes the statements is shown by the molecule scenario timescaledb."""

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres_scram import fits, verifier
from ansible_collections.hft.ops.plugins.modules.pg_objects import Found, other_statements, refuse_bad_input, role_statements

# CREATE ROLE x PASSWORD 'a word from a real server' on PostgreSQL 15, read back from pg_authid.
_STORED = ("SCRAM-SHA-256$4096:JmsXN3Grt/sIrUNRzp6pTw==$9vduvoODZJS7UjwU"
           "XGw0+5+jmkOptb6493wT+aiEIac=:Uu/pSHcPqVoKhnU10zVVCwCDY2qHgvsgl44hQ3YaAsk=")
_PASSWORD = "a word from a real server"


def _role(name, login=False, replication=False, password=None, member_of=(), rewind=False):
    return {"name": name, "login": login, "replication": replication, "password": password, "member_of": list(member_of),
            "rewind": rewind}


def _wanted(databases=(), slots=(), roles=(), remove_slots=()):
    return {"databases": list(databases), "slots": list(slots), "roles": list(roles), "remove_slots": list(remove_slots)}


def test_a_verifier_of_a_real_server_is_understood():
    assert fits(_PASSWORD, _STORED)
    assert not fits(_PASSWORD + "!", _STORED)
    assert not fits(_PASSWORD, None)
    assert not fits(_PASSWORD, "md5c1ec6c8f5b0e4f3f4b2b4f4b2d1d6a3a")


def test_our_own_verifier_fits_and_is_salted():
    assert fits("wörd ﬁ", verifier("wörd ﬁ"))
    assert verifier("word") != verifier("word")


def test_everything_is_planned_for_an_empty_server():
    roles = role_statements([_role("hft_owner"), _role("hft_user", True, password="secret word", member_of=["pg_monitor"])], Found())
    assert [one.difference.path for one in roles] == ["hft_owner", "hft_user", "hft_user (password)", "hft_user (member of pg_monitor)"]
    assert roles[0].sql == 'CREATE ROLE "hft_owner" WITH NOLOGIN NOREPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE'
    assert not any("secret word" in str(one) or "secret word" in str(one.difference.shown()) for one in roles)
    others = other_statements(_wanted([{"name": "hft_db", "owner": "hft_owner", "extensions": ["timescaledb"]}], ["prod_01"]), Found())
    assert [(one.sql, one.database) for one in others] == [
        ('CREATE DATABASE "hft_db" OWNER "hft_owner"', ""), ('CREATE EXTENSION "timescaledb"', "hft_db"),
        ("SELECT pg_create_physical_replication_slot('prod_01', true)", "")]


def test_a_server_as_wanted_is_left_alone():
    found = Found(roles={"u": {"LOGIN", "REPLICATION"}}, verifiers={"u": _STORED}, members={("pg_monitor", "u")},
                  databases={"d": "o"}, extensions={"d": {"e": "1"}}, slots={"s": "physical"})
    assert role_statements([_role("u", True, True, _PASSWORD, ["pg_monitor"])], found) == []
    assert role_statements([_role("u", True, True)], found) == [], "a password that is not given is left alone"
    assert other_statements(_wanted([{"name": "d", "owner": "o", "extensions": ["e"]}], ["s"]), found) == []


def test_what_differs_is_put_right():
    found = Found(roles={"u": {"LOGIN", "SUPERUSER"}}, verifiers={"u": None}, databases={"d": "postgres"}, extensions={"d": {}})
    roles = role_statements([_role("u", True, password=_PASSWORD)], found)
    assert [one.difference.path for one in roles] == ["u", "u (password)"]
    assert roles[0].difference.shown()["before"] == "LOGIN SUPERUSER"
    assert "NOSUPERUSER" in roles[0].sql
    [owner] = other_statements(_wanted([{"name": "d", "owner": "o", "extensions": []}]), found)
    assert owner.sql == 'ALTER DATABASE "d" OWNER TO "o"'


def test_a_logical_slot_of_that_name_is_refused():
    with pytest.raises(HostError, match=r"^slots: s: exists as a logical slot"):
        other_statements(_wanted(slots=["s"]), Found(slots={"s": "logical"}))


def test_a_slot_of_a_member_that_left_is_dropped_and_one_in_use_is_not():
    found = Found(slots={"gone": "physical", "here": "physical"}, slots_in_use={"here"})
    [drop] = other_statements(_wanted(remove_slots=["gone", "never_was"]), found)
    assert drop.sql == "SELECT pg_drop_replication_slot('gone')"
    assert (drop.difference.before, drop.difference.after) == ("physical", None)
    with pytest.raises(HostError, match=r"^remove_slots: here: is in use"):
        other_statements(_wanted(remove_slots=["here"]), found)
    with pytest.raises(HostError, match="remove_slots: gone: stands in slots too"):
        refuse_bad_input(_wanted(slots=["gone"], remove_slots=["gone"]))


def test_all_bad_names_are_told_at_once():
    with pytest.raises(HostError) as wrong:
        refuse_bad_input(_wanted([{"name": 'a"b', "extensions": []}], ["prod-01", "s", "s"], [_role("x; DROP")]))
    for part in ("databases: 'a\"b'", "slots: 'prod-01'", "slots: s: listed twice", "roles: 'x; DROP'"):
        assert part in str(wrong.value)


def test_an_extension_is_brought_to_the_version_that_is_named():
    databases = [{"name": "d", "owner": None, "extensions": ["timescaledb=2.20.0", "kept", "there=1.0"]}]
    found = Found(databases={"d": "o"}, extensions={"d": {"timescaledb": "2.19.3", "kept": "1.1", "there": "1.0"}})
    [update] = other_statements(_wanted(databases), found)
    assert (update.sql, update.database) == ("ALTER EXTENSION \"timescaledb\" UPDATE TO '2.20.0'", "d")
    assert (update.difference.before, update.difference.after) == ("2.19.3", "2.20.0")
    with pytest.raises(HostError, match="extensions: \"x'; DROP\": expected NAME or NAME=VERSION"):
        refuse_bad_input(_wanted([{"name": "d", "extensions": ["x'; DROP"]}]))


def test_a_database_to_come_needs_an_owner():
    with pytest.raises(HostError, match=r"^databases: d: does not exist and has no owner"):
        other_statements(_wanted([{"name": "d", "owner": None, "extensions": []}]), Found())
