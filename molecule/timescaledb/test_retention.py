# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention on a real primary of the Apache edition: what is dropped, that regulatory rows are exported first, what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
_REQUIREMENTS = Path(__file__).parents[2] / "roles" / "db_retention" / "files" / "requirements.txt"
_PYTHON = "/opt/hft_retention/venv/bin/python"
# Values as text: DuckDB makes a Python time only where pytz is installed.
_READ = ("import duckdb, json; r = duckdb.sql(\"SELECT * FROM read_parquet('FILE')\");"
         " print(json.dumps([r.columns, [str(kind) for kind in r.types], r.project('COLUMNS(*)::VARCHAR').fetchall()]))")


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


@pytest.fixture
def wheel(host, tmp_path: Path) -> Iterator[str]:
    """The pinned wheel for the host's Python, from the index of the control node, as an operator without an index on the host gets it.
    What a failed test leaves of it would be found by the next."""
    version = host.check_output("python3 -c 'import sys; print(*sys.version_info[:2], sep=chr(46))'")
    processor = host.check_output("uname -m")
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
                    "--python-version", version, "--platform", f"manylinux_2_28_{processor}", "--dest", str(tmp_path),
                    "--requirement", str(_REQUIREMENTS)], check=True)
    [found] = tmp_path.glob("duckdb-*.whl")
    yield str(found)
    host.check_output("rm -rf /opt/hft_retention")


@pytest.mark.long
@pytest.mark.usefixtures("old_rows")
def test_records_become_parquet_with_the_types_of_the_table_and_stay_when_it_cannot_be_made(host, play, wheel: str) -> None:
    variables = {**_VARIABLES, "db_retention_export_format": "parquet", "db_retention_export_wheel": wheel}
    role = [{**_ROLE, "vars": variables}]
    check = play("mol-01", role, "--check")
    assert check.returncode == 0, check.stdout
    assert "Make the environment" in check.stdout
    assert not host.file("/opt/hft_retention").exists, "check mode makes nothing"
    done = play("mol-01", role)
    assert done.returncode == 0, done.stdout
    again = play("mol-01", role)
    assert "changed=0" in again.stdout, again.stdout

    host.check_output("mv %s %s.away", _PYTHON, _PYTHON)
    assert host.run(_RUN).rc != 0
    assert _rows(host) == "1|2", "records that cannot be made Parquet stay"
    assert "let the role hft.ops.db_retention make it anew" in host.check_output("journalctl -u hft-retention.service -n 20 --no-pager")
    assert host.check_output("ls %s/public.fills", _DIRECTORY) == "", "nor is half a file left"

    host.check_output("mv %s.away %s", _PYTHON, _PYTHON)
    host.check_output(_RUN)
    assert _rows(host) == "1|1"
    [manifest] = host.check_output("ls %s/public.fills/*.json", _DIRECTORY).splitlines()
    told = json.loads(host.file(manifest).content_string)
    parquet = manifest.replace(".json", ".parquet")
    assert (told["format"], told["rows"], told["sha256"]) == ("parquet", 1, host.file(parquet).sha256sum)
    names, kinds, [row] = json.loads(host.check_output("%s -c %s", _PYTHON, _READ.replace("FILE", parquet)))
    assert names == [column["name"] for column in told["columns"]]
    assert kinds == [column["parquet"] for column in told["columns"]]
    types = dict(zip(names, kinds))
    assert (types["time"], types["price"], types["fill_id"]) == ("TIMESTAMP WITH TIME ZONE", "DECIMAL(20,6)", "BIGINT")
    values = dict(zip(names, row))
    assert (values["strategy"], values["price"], values["symbol"]) == ("trial", "1.000000", "X")

    csv_again = play("mol-01", [{**_ROLE, "vars": _VARIABLES}])
    assert csv_again.returncode == 0, csv_again.stdout
    assert not host.file("/opt/hft_retention").exists, "an environment that nothing uses is removed"


@pytest.mark.long
def test_a_host_that_cannot_have_duckdb_is_refused(host, wrong_input) -> None:
    def refused(**more: object) -> str:
        return wrong_input("mol-01", [{**_ROLE, "vars": {**_VARIABLES, "db_retention_export_format": "parquet", **more}}])

    before = host.file("/etc/hft/retention.json").content_string if host.file("/etc/hft/retention.json").exists else ""
    assert "is missing on the control node or none of the pinned wheels" in refused(db_retention_export_wheel="/etc/hostname")
    host.check_output("printf '[global]\\nindex-url = http://127.0.0.1:9/simple\\nretries = 0\\n' > /etc/pip.conf")
    try:
        assert "name an index that has it in /etc/pip.conf of this host" in refused()
    finally:
        host.check_output("rm -rf /etc/pip.conf /opt/hft_retention")
    after = host.file("/etc/hft/retention.json").content_string if host.file("/etc/hft/retention.json").exists else ""
    assert after == before, "the old state stands"


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
