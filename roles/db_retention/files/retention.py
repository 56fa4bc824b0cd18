# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.db_retention: edits are removed by the next run.
"""retention.py CLASSES [--plan]: drop the chunks that are older than their class allows, as postgres on the primary.

A chunk of a regulatory class is exported first: DIRECTORY/schema.table/chunk.csv.gz with chunk.json beside it. The chunk is locked
against writers, copied, the file is read back and counted, and only then is the chunk dropped, all in one transaction: whatever fails,
the rows stay.
--plan tells what would be dropped.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psycopg2

_OLD = """
SELECT chunk_schema, chunk_name, range_start, range_end FROM timescaledb_information.chunks
WHERE format('%%s.%%s', hypertable_schema, hypertable_name) = %s AND range_end <= now() - make_interval(days => %s) ORDER BY range_end
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_COUNT = "SELECT count(*) FROM {}"


def main() -> int:
    wanted = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    plan = "--plan" in sys.argv[2:]
    connection = psycopg2.connect(host="/var/run/postgresql", port=wanted["port"], dbname=wanted["database"],
                                  application_name="hft retention")
    failed = 0
    for table in wanted["tables"]:
        for chunk in _old_chunks(connection, table):
            failed += not _end(connection, table, chunk, wanted["export_directory"], plan)
    return int(failed > 0)


def _old_chunks(connection: Any, table: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(_OLD, (table["table"], table["keep_days"]))
        return cursor.fetchall()


def _end(connection: Any, table: dict[str, Any], chunk: tuple[Any, ...], directory: str, plan: bool) -> bool:
    """Whether the chunk is gone, or would be; one that cannot be ended does not keep the others."""
    schema, name, start, end = chunk
    what = f"{table['table']} {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({name})"
    if plan:
        print(f"{what}: would be {'exported and ' if table['regulatory'] else ''}dropped")
        return True
    try:
        with connection, connection.cursor() as cursor:
            # Who waits for the chunk's lock makes others wait: not for long.
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            said = ""
            if table["regulatory"]:
                place = Path(directory, table["table"])
                said = f"exported to {place}/{name}.csv.gz ({export(cursor, f'{schema}.{name}', place / name, what)} rows) and "
            cursor.execute("SELECT drop_chunks(%s::regclass, older_than => %s, newer_than => %s)", (table["table"], end, start))
            dropped = [row[0] for row in cursor.fetchall()]
            if dropped != [f"{schema}.{name}"]:
                raise RuntimeError(f"{dropped} would have been dropped with it")
    except (psycopg2.Error, OSError, RuntimeError) as why:
        print(f"{what}: KEPT: {' '.join(str(why).split())}", file=sys.stderr)
        return False
    print(f"{what}: {said}dropped")
    return True


def export(cursor: Any, relation: str, base: Path, what: str) -> int:
    """Copy the rows into base.csv.gz and what they are into base.json; how many, as counted in the file."""
    base.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    cursor.execute(f"LOCK TABLE {relation} IN SHARE MODE")
    cursor.execute(_COUNT.format(relation))
    expected = cursor.fetchone()[0]
    cursor.execute(_COLUMNS, (relation,))
    columns = [{"name": name, "type": kind} for name, kind in cursor.fetchall()]
    scratch = base.with_name(f"{base.name}.csv.gz.new")
    # The same rows give the same bytes, so that two exports can be compared: no name and no time in the file.
    with scratch.open("wb") as out:
        with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed:
            cursor.copy_expert(f"COPY {relation} TO STDOUT WITH (FORMAT csv, HEADER)", packed)
        out.flush()
        os.fsync(out.fileno())
    rows = rows_in(scratch)
    if rows != expected:
        raise RuntimeError(f"{scratch} has {rows} rows, the chunk {expected}")
    scratch.replace(base.with_name(f"{base.name}.csv.gz"))
    told = {"chunk": relation, "columns": columns, "exported_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rows": rows,
            "sha256": hashlib.sha256(base.with_name(f"{base.name}.csv.gz").read_bytes()).hexdigest(), "what": what}
    manifest = base.with_name(f"{base.name}.json.new")
    manifest.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    manifest.replace(base.with_name(f"{base.name}.json"))
    for directory in (base.parent, base.parent.parent):
        handle = os.open(directory, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    return rows


def rows_in(path: Path) -> int:
    """Records of a packed CSV file without its header, read to its end, checksum included."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        return sum(1 for _record in csv.reader(text)) - 1


if __name__ == "__main__":
    sys.exit(main())
