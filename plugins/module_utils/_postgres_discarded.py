# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What an outdated primary committed after the place where the timelines parted, counted in its own log.

The log alone is exact, and takes as long as what was lost is large: a table may have billions of rows that were not.
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ansible_collections.hft.ops.plugins.module_utils._postgres import Cluster, psycopg2, rows
from ansible_collections.hft.ops.plugins.module_utils._postgres_synchronous import lsn
from ansible_collections.hft.ops.plugins.module_utils._postgres_upstream import Parting

UNNAMED = "unknown"  # made after the timelines parted, on a server that does not run: nobody knows its name
_RECORD = re.compile(r"rmgr: (\w+) .*?tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*?desc: ([A-Z_]+)(?:\+INIT)? ?(.*)")
_PLACE = re.compile(r"blkref #0: rel (\d+)/(\d+)/(\d+) .*?blk (\d+)")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+")
_SUPERSEDED = 0x08  # of a DELETE: takes an INSERT ... ON CONFLICT back that met another one
# The names of tables by the files that the log knows. A chunk counts as its table, what the server keeps for itself as nothing.
_NAMES = """
SELECT given.file::bigint AS file, CASE WHEN c.oid IS NULL THEN '@unnamed@'
    WHEN c.relkind <> 'r' OR n.nspname ~ '^(pg_|_timescaledb|information_schema)' THEN '' ELSE t.oid::regclass::text END AS name,
    c.oid::regclass::text AS itself
FROM unnest(%s::oid[], %s::oid[]) AS given(space, file)
LEFT JOIN pg_class c ON c.oid = pg_filenode_relation(given.space, given.file)
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class t ON t.oid = coalesce(i.inhparent, c.oid)
LEFT JOIN pg_namespace n ON n.oid = t.relnamespace
""".replace("@unnamed@", UNNAMED)

File = tuple[int, int, int]  # of a table: tablespace, database, number


@dataclass
class Commit:
    """One transaction with all its parts."""

    time: float
    lsn: str
    numbers: tuple[int, ...]
    inserted: Counter[File] = field(default_factory=Counter)
    changed: Counter[File] = field(default_factory=Counter)


@dataclass
class Log:
    """Commits in their order, and the lowest block of each file that they wrote to."""

    commits: list[Commit]
    blocks: dict[File, int]

    @property
    def files(self) -> list[File]:
        return sorted(self.blocks)


def read(records: Iterable[str]) -> Log:
    """Of what pg_waldump prints of Heap, Heap2 and Transaction; what was rolled back, or never ended, is left out."""
    written: dict[int, list[tuple[File, int, bool]]] = {}
    commits, blocks = [], {}
    for line in records:
        found = _RECORD.match(line)
        if not found:
            continue
        manager, number, at, kind, rest = found[1], int(found[2]), found[3], found[4], found[5]
        if manager == "Transaction":
            if kind == "COMMIT":
                commits.append(Commit(_seconds(rest), at, (number, *_parts(rest))))
            continue
        change, place = _change(kind, rest), _PLACE.search(rest)
        if change and place:
            file, block = (int(place[1]), int(place[2]), int(place[3])), int(place[4])
            blocks[file] = min(block, blocks.get(file, block))
            written.setdefault(number, []).append((file, *change))
    for commit in commits:
        for number in commit.numbers:
            for file, count, inserts in written.get(number, ()):
                (commit.inserted if inserts else commit.changed)[file] += count
    return Log(commits, blocks)


def _change(kind: str, rest: str) -> tuple[int, bool] | None:
    """How many rows, and whether they are new ones; None for what writes no row."""
    if kind == "MULTI_INSERT":
        return int((re.search(r"\d+", rest) or ["0"])[0]), True
    if kind == "INSERT":
        return 1, True
    if kind == "DELETE" and int((re.search(r"flags:? 0x([0-9A-F]+)", rest) or ["", "0"])[1], 16) & _SUPERSEDED:
        return -1, True
    return (1, False) if kind in ("UPDATE", "HOT_UPDATE", "DELETE") else None


def _parts(rest: str) -> tuple[int, ...]:
    found = re.search(r"subxacts:((?: \d+)+)", rest)
    return tuple(int(one) for one in found[1].split()) if found else ()


def _seconds(rest: str) -> float:
    found = _TIME.search(rest)
    if not found:
        return 0.0
    return datetime.datetime.strptime(found[0], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=datetime.timezone.utc).timestamp()


def _when(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if seconds > 0 else ""


def told(log: Log, names: dict[File, str], parted: str = "", kept_at: float = 0.0, promoted_at: float = 0.0) -> dict[str, Any]:
    """What is lost, in transactions, rows and seconds.

    names: table by file, empty for what does not count, a file without one is unknown; parted: where the timelines did; kept_at: of the
    last commit that both have, 0 where that is not known; promoted_at: when the new primary was promoted, 0 likewise.
    """
    inserted: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    lost = []
    for commit in log.commits:
        here = [(total, names.get(file, UNNAMED), count) for total, counted in ((inserted, commit.inserted), (changed, commit.changed))
                for file, count in counted.items()]
        for total, name, count in here:
            total[name] += count
        if any(name for _total, name, _count in here):
            lost.append(commit.time)
    before = [at for at in lost if not promoted_at or at <= promoted_at]
    last = max(before, default=0.0)
    return {
        "parted_at": parted, "commits": len(log.commits), "transactions": len(lost), "later": len(lost) - len(before),
        "rows": {name: count for name, count in sorted(inserted.items()) if name and count},
        "changed": {name: count for name, count in sorted(changed.items()) if name and count},
        "seconds": 0.0 if not before else round(max(last - kept_at, 0.0), 3) if kept_at else -1.0,
        "kept_until": _when(kept_at), "lost_until": _when(last),
    }


class Discarded:
    """Of the local cluster, before it is wound back to where its timeline was left."""

    def __init__(self, cluster: Cluster, run_command: Callable[..., tuple[int, str, str]], database: str, timeline: int, parting: Parting,
                 promoted_at: float) -> None:
        self.cluster = cluster
        self.run_command = run_command
        self.database = database
        self.timeline = timeline
        self.parting = parting
        self.promoted_at = promoted_at
        self.log = Log([], {})
        self.names: dict[File, str] = {}
        self.rows: list[str] = []
        self.segment_bytes = int(cluster.control_data(run_command).get("Bytes per WAL segment", "0")) or (16 << 20)
        self.segments = self._segments()
        self.kept_at = self._kept_at()

    def log_is_gone(self) -> bool:
        """Whether the server has recycled the part where the count begins."""
        return not self.segments or min(self.segments) > lsn(self.parting.at) // self.segment_bytes

    def count(self) -> None:
        self.log = read(self._records(self.parting.at, "--rmgr", "Heap", "--rmgr", "Heap2", "--rmgr", "Transaction"))

    def told(self) -> dict[str, Any]:
        return told(self.log, self.names, self.parting.at, self.kept_at, self.promoted_at)

    def _segments(self) -> set[int]:
        """Of this timeline, by their number."""
        names = [name for name in self.cluster.host.names(self.cluster.wal_directory) if re.fullmatch("[0-9A-F]{24}", name)]
        return {int(name[8:16], 16) * ((1 << 32) // self.segment_bytes) + int(name[16:], 16)
                for name in names if int(name[:8], 16) == self.timeline}

    def _kept_at(self) -> float:
        """Of the last commit before the timelines parted, in this segment of the log or the one before; 0 where there is none."""
        last = lsn(self.parting.at) // self.segment_bytes
        # pg_waldump waits five seconds for one that is not there.
        for segment in sorted(self.segments & {last - 1, last}):
            start = segment * self.segment_bytes
            position = f"{start >> 32:X}/{start & 0xFFFFFFFF:X}"
            before = read(self._records(position, "--end", self.parting.at, "--rmgr", "Transaction"))
            if before.commits:
                return before.commits[-1].time
        return 0.0

    def _records(self, start: str, *options: str) -> list[str]:
        return self.cluster.wal_records(self.run_command, self.timeline, start, *options)

    def learn(self, with_rows: bool = False) -> None:
        """Names of tables, of a server that runs; with_rows: what the lost transactions wrote, as it stands there."""
        with contextlib.suppress(psycopg2.Error), self.cluster.session(self.database) as cursor:
            # TimescaleDB may take a transaction number to read a chunk, and here nobody acknowledges its commit any more.
            cursor.execute("SET synchronous_commit = off; SET statement_timeout = '120s'")
            own = rows(cursor, "SELECT oid::bigint AS oid FROM pg_database WHERE datname = current_database()")[0]["oid"]
            ours = [file for file in self.log.files if file[1] == own]
            found = {row["file"]: row for row in rows(cursor, _NAMES, ([file[0] for file in ours], [file[2] for file in ours]))}
            # What another database has is none of this one's, and nothing that trades writes to it.
            self.names = {file: found[file[2]]["name"] if file in ours else "" for file in self.log.files}
            if with_rows:
                self.rows = [row for file in ours if self.names[file] not in ("", UNNAMED)
                             for row in self._rows(cursor, file, found[file[2]]["itself"])]

    def _rows(self, cursor: Any, file: File, table: str) -> list[str]:
        numbers = [number for commit in self.log.commits for number in commit.numbers]
        query = (f"SELECT to_jsonb(t.*)::text AS it FROM ONLY {table} AS t "  # noqa: S608 - the server's own name, as it quotes it
                 "WHERE ctid >= %s::tid AND xmin::text::bigint = ANY(%s)")
        return [f'{{"table": {json.dumps(self.names[file])}, "row": {row["it"]}}}'
                for row in rows(cursor, query, (f"({self.log.blocks[file]},0)", numbers))]

    def keep(self) -> dict[str, Any]:
        """What is told, beside the data, with the rows. A file that knows of more stays: a run that broke off wrote it."""
        if not self.log.commits:
            return self.told()
        place = self.cluster.host.path(f"{self.cluster.data_directory}.discarded")
        path = place / f"{self.timeline}-{self.parting.at.replace('/', '_')}.jsonl.gz"
        earlier = _statement(path)
        if earlier.get("commits", -1) > len(self.log.commits):
            return earlier
        statement = {**self.told(), "kept": str(path), "kept_rows": len(self.rows)}
        place.mkdir(mode=0o700, exist_ok=True)
        scratch = path.with_suffix(".new")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw, gzip.open(raw, "wt") as text:
            text.writelines(f"{line}\n" for line in (json.dumps(statement), *self.rows))
        scratch.replace(path)
        return statement


def _statement(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, EOFError, ValueError), gzip.open(path, "rt") as text:
        return dict(json.loads(text.readline()))
    return {}
