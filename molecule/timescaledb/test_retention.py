# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention on a real primary of the Apache edition: what is dropped, that regulatory rows are exported first, what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pytest

testinfra_hosts = ["mol-01"]

_DIRECTORY = "/srv/archive"
_VARIABLES = {
    "db_retention_classes": {"operational": {"keep_days": 30}, "records": {"keep_days": 2000, "regulatory": True}},
    "db_retention_tables": {"events": "operational", "fills": "records"},
    "db_retention_export_directory": _DIRECTORY,
}
_ROLE = {"ansible.builtin.import_role": {"name": "hft.ops.db_retention"}}
_EVENT = ("INSERT INTO events (time, engine, seq, kind, strategy, detail)"
          " VALUES (WHEN, 'trial/1', 1, 'trial', 'trial', 'a \"quoted\"' || chr(10) || 'line, two')")
_FILL = ("INSERT INTO fills (time, venue, fill_id, strategy, epoch, engine, seq, venue_order_id, symbol, side, price, quantity, venue_ns)"
         " VALUES (WHEN, 'trial', 1, 'trial', 1, 'trial/1', 1, 1, 'X', 'buy', 1, 1, 1)")
_RUN = "systemctl start hft-retention.service"


def _sql(host, query: str) -> str:
    return host.check_output("cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d hft_db -c %s", query)


def _rows(host) -> str:
    return _sql(host, "SELECT (SELECT count(*) FROM events WHERE kind = 'trial'), (SELECT count(*) FROM fills WHERE strategy = 'trial')")


@pytest.fixture
def old_rows(host):
    """Of each table one row of 2020, and one of today."""
    for when in ("'2020-02-02 12:00+00'", "now()"):
        _sql(host, _EVENT.replace("WHEN", when))
        _sql(host, _FILL.replace("WHEN", when))
    yield
    _sql(host, "DELETE FROM events WHERE kind = 'trial'; DELETE FROM fills WHERE strategy = 'trial'")
    host.check_output("systemctl disable --now hft-retention.timer; rm -rf %s", _DIRECTORY)


@pytest.mark.usefixtures("old_rows")
def test_what_is_older_than_its_class_allows_is_dropped_and_records_are_exported_first(host, play) -> None:
    done = play("mol-01", [{**_ROLE, "vars": _VARIABLES}])
    assert done.returncode == 0, done.stdout
    assert host.service("hft-retention.timer").is_running
    plan = host.check_output("cd / && runuser -u postgres -- python3 /usr/local/lib/hft/retention.py /etc/hft/retention.json --plan")
    assert [line.split(" ")[0] for line in plan.splitlines()] == ["public.events", "public.fills"]
    assert "would be exported and dropped" in plan.splitlines()[1]
    assert _rows(host) == "2|2", "a plan drops nothing"

    host.check_output("chown root %s", _DIRECTORY)
    assert host.run(_RUN).rc != 0
    assert _rows(host) == "1|2", "rows that cannot be exported stay, and keep no other table's"
    assert "KEPT" in host.check_output("journalctl -u hft-retention.service -n 20 --no-pager")

    host.check_output("chown postgres %s", _DIRECTORY)
    host.check_output(_RUN)
    assert _rows(host) == "1|1"
    [manifest] = host.check_output("ls %s/public.fills/*.json", _DIRECTORY).splitlines()
    told = json.loads(host.file(manifest).content_string)
    packed = host.file(manifest.replace(".json", ".csv.gz"))
    assert (told["rows"], told["sha256"]) == (1, packed.sha256sum)
    [row] = csv.DictReader(io.StringIO(gzip.decompress(packed.content).decode()))
    assert (row["strategy"], row["venue"], row["symbol"]) == ("trial", "trial", "X")
    assert [column["name"] for column in told["columns"]] == list(row)
    host.check_output(_RUN)
    assert _rows(host) == "1|1"


def test_what_the_edition_lacks_and_what_would_lose_records_is_refused(host, wrong_input) -> None:
    def refused(**more: object) -> str:
        return wrong_input("mol-01", [{**_ROLE, "vars": {**_VARIABLES, **more}}])

    assert "db_retention_export_directory: is empty, and public.fills is of a regulatory class" in refused(db_retention_export_directory="")
    bad = {"db_retention_classes": {"operational": {"keep_days": 30, "compress_after_days": 1}},
           "db_retention_tables": {"events": "operational", "orders_2": "operational"}}
    said = refused(**bad, db_retention_by="policy")
    assert "is of the Apache edition (timescaledb.license is apache), which has no retention policies; choose timer" in said
    assert "public.orders_2: is no hypertable of hft_db; there are public.events, public.fills, public.orders" in said
    assert "compress_after_days of public.events" in said
    assert not host.file("/etc/hft/retention.json").exists or "orders_2" not in host.file("/etc/hft/retention.json").content_string
