# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.db_retention: edits are removed by the next run.
"""Export of one chunk, as CSV or Parquet, read back before it has its name, with a manifest beside it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

_SUFFIXES = {"csv": ".csv.gz", "parquet": ".parquet"}
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""
_COUNT = "SELECT count(*) FROM {}"
_COPY = "COPY (SELECT {} FROM {}) TO STDOUT WITH (FORMAT csv, HEADER)"
# What a decimal must hold: digits before and after the point, and whether there is what no decimal holds.
_DIGITS = """
SELECT coalesce(max(length(trunc(abs({0}))::text)), 1), coalesce(max(scale({0})), 0),
       coalesce(bool_or({0} IN ('NaN', 'Infinity', '-Infinity')), false) FROM {1}
"""
# The same rows give the same bytes on every server; and the server waits while the file is made and read.
_SETTINGS = ("SET LOCAL TimeZone = 'UTC'", "SET LOCAL DateStyle = 'ISO'", "SET LOCAL IntervalStyle = 'postgres'",
             "SET LOCAL extra_float_digits = 1", "SET LOCAL bytea_output = 'hex'",
             "SET LOCAL idle_in_transaction_session_timeout = 0")
_PROGRAM = Path(__file__).with_name("retention_parquet.py")

csv.field_size_limit(sys.maxsize)


class Summed:
    """A file that takes the sum of what is written to it."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return int(self._out.write(data))


def file_of(base: Path, form: str) -> Path:
    return base.with_name(base.name + _SUFFIXES[form])


def export(cursor: Any, relation: str, base: Path, what: str, form: str, python: str) -> int:
    """Write the rows into one file of the form and what they are into base.json; how many, as counted in the file."""
    base.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    for setting in _SETTINGS:
        cursor.execute(setting)
    cursor.execute(f"LOCK TABLE {relation} IN SHARE MODE")
    cursor.execute(_COUNT.format(relation))
    expected = cursor.fetchone()[0]
    cursor.execute(_COLUMNS, (relation,))
    columns = [{"name": name, "type": kind} for name, kind in cursor.fetchall()]
    copied = [_exact(cursor, relation, column) for column in columns] if form == "parquet" else columns
    scratch = {name: base.with_name(f"{base.name}{suffix}.new") for name, suffix in _SUFFIXES.items()}
    try:
        text = _copy(cursor, relation, columns, copied, scratch["csv"])
        _hold(scratch["csv"], read_back(scratch["csv"]), (expected, text))
        if form == "parquet":
            told = to_parquet(python, scratch["csv"], scratch["parquet"], copied)
            _hold(scratch["parquet"], (told["rows"], told["text_sha256"]), (expected, text))
            columns = [{**column, "parquet": told["columns"][column["name"]]} for column in columns]
        with scratch[form].open("rb") as made:
            os.fsync(made.fileno())
            packed = _sha256_of(made)
        scratch[form].replace(file_of(base, form))
    finally:
        # A full disk must not be kept full by what is of no use.
        for path in scratch.values():
            path.unlink(missing_ok=True)
    _manifest(base, {"chunk": relation, "columns": columns, "exported_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                     "file": file_of(base, form).name, "format": form, "rows": expected, "sha256": packed, "text_sha256": text,
                     "what": what})
    return int(expected)


def _sha256_of(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    # hashlib.file_digest needs Python 3.11.
    for block in iter(lambda: stream.read(1 << 20), b""):
        digest.update(block)
    return digest.hexdigest()


def read_back(path: Path) -> tuple[int, str]:
    """Records of a packed CSV file without its header, read to its end, and the sum of its text."""
    digest = hashlib.sha256()

    def lines(packed: BinaryIO) -> Iterator[str]:
        for line in packed:
            digest.update(line)
            yield line.decode()

    try:
        with gzip.open(path, "rb") as packed:
            rows = sum(1 for _record in csv.reader(lines(packed))) - 1
    except (EOFError, ValueError, csv.Error, zlib.error) as why:
        raise RuntimeError(f"{path} cannot be read back: {why}") from why
    return rows, digest.hexdigest()


def decimal(of: str, digits: int, scale: int, beyond: bool) -> str:
    """The type a numeric column is copied as: its own where a decimal holds it, else one that holds every digit, else text."""
    own = re.fullmatch(r"numeric\((\d+),(\d+)\)", of)
    if beyond:
        return "text"
    if own and int(own[2]) <= int(own[1]) <= 38:
        return of
    return f"numeric(38,{scale})" if digits + scale <= 38 else "text"


def _exact(cursor: Any, relation: str, column: dict[str, str]) -> dict[str, str]:
    if not re.fullmatch(r"numeric(\(.*\))?", column["type"]):
        return column
    cursor.execute(_DIGITS.format(_name(column["name"]), relation))
    return {**column, "type": decimal(column["type"], *cursor.fetchone())}


def _copy(cursor: Any, relation: str, columns: list[dict[str, str]], copied: list[dict[str, str]], path: Path) -> str:
    wanted = ", ".join(_name(column["name"]) if column == cast else f"{_name(column['name'])}::{cast['type']} AS {_name(column['name'])}"
                       for column, cast in zip(columns, copied))
    # No name and no time in the file, so that two exports can be compared.
    with path.open("wb") as out, gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed:
        summed = Summed(packed)
        cursor.copy_expert(_COPY.format(wanted, relation), summed)
    return summed.digest.hexdigest()


def to_parquet(python: str, packed: Path, parquet: Path, columns: list[dict[str, str]]) -> dict[str, Any]:
    try:
        done = subprocess.run([python, "-I", str(_PROGRAM), str(packed), str(parquet)], input=json.dumps(columns), capture_output=True,
                              text=True, check=False)
    except OSError as why:
        raise RuntimeError(f"{python} does not run ({why.strerror}): let the role hft.ops.db_retention make it anew") from why
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise RuntimeError(f"{parquet} could not be made ({python} ended with {done.returncode}): {said}")
    return dict(json.loads(done.stdout))


def _hold(path: Path, found: tuple[int, str], expected: tuple[int, str]) -> None:
    if found[0] != expected[0]:
        raise RuntimeError(f"{path} has {found[0]} rows, the chunk {expected[0]}")
    if found[1] != expected[1]:
        raise RuntimeError(f"{path} has other values than the chunk: its rows have the sha256 {found[1]}, the chunk's {expected[1]}")


def _manifest(base: Path, told: dict[str, Any]) -> None:
    scratch = base.with_name(f"{base.name}.json.new")
    with scratch.open("w", encoding="utf-8") as out:
        out.write(json.dumps(told, indent=2, sort_keys=True) + "\n")
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(base.with_name(f"{base.name}.json"))
    for directory in (base.parent, base.parent.parent):
        handle = os.open(directory, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
