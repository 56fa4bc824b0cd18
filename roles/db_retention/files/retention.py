# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.db_retention: edits are removed by the next run.
"""retention.py CLASSES [--plan]: drop the chunks that are older than their class allows, as postgres on the primary.

A chunk of a regulatory class is exported first: DIRECTORY/schema.table/chunk.csv.gz or chunk.parquet with chunk.json beside it. The chunk
is locked against writers, copied, the file is read back, counted and summed, and only then is the chunk dropped, all in one transaction:
whatever fails, the rows stay.
--plan tells what would be dropped.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg2
from retention_export import export, file_of

_OLD = """
SELECT chunk_schema, chunk_name, range_start, range_end FROM timescaledb_information.chunks
WHERE format('%%s.%%s', hypertable_schema, hypertable_name) = %s AND range_end <= now() - make_interval(days => %s) ORDER BY range_end
"""


def main() -> int:
    wanted = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    plan = "--plan" in sys.argv[2:]
    connection = psycopg2.connect(host="/var/run/postgresql", port=wanted["port"], dbname=wanted["database"],
                                  application_name="hft retention", client_encoding="UTF8")
    failed = 0
    for table in wanted["tables"]:
        for chunk in _old_chunks(connection, table):
            failed += not _end(connection, table, chunk, wanted, plan)
    return int(failed > 0)


def _old_chunks(connection: Any, table: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(_OLD, (table["table"], table["keep_days"]))
        return cursor.fetchall()


def _end(connection: Any, table: dict[str, Any], chunk: tuple[Any, ...], wanted: dict[str, Any], plan: bool) -> bool:
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
                base, form = Path(wanted["export_directory"], table["table"], name), wanted["export_format"]
                rows = export(cursor, f"{schema}.{name}", base, what, form, wanted["export_python"])
                said = f"exported to {file_of(base, form)} ({rows} rows) and "
            cursor.execute("SELECT drop_chunks(%s::regclass, older_than => %s, newer_than => %s)", (table["table"], end, start))
            dropped = [row[0] for row in cursor.fetchall()]
            if dropped != [f"{schema}.{name}"]:
                raise RuntimeError(f"{dropped} would have been dropped with it")
    except (psycopg2.Error, OSError, RuntimeError, ValueError) as why:
        print(f"{what}: KEPT: {' '.join(str(why).split())}", file=sys.stderr)
        return False
    print(f"{what}: {said}dropped")
    return True


if __name__ == "__main__":
    sys.exit(main())
