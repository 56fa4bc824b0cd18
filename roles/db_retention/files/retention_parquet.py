# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.db_retention: edits are removed by the next run.
"""retention_parquet.py CSV.GZ PARQUET < COLUMNS: make one Parquet file of an export, then tell what is in it, as JSON.

COLUMNS are a JSON list of {"name", "type"}, the type as PostgreSQL names it. What is told (rows, and the sha256 of the rows as PostgreSQL
writes them to CSV) is computed from the Parquet file alone: whoever has the sum of the source knows that nothing was lost or rounded.
It runs in the environment that has DuckDB.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

# What PostgreSQL calls them, and what the file has; every other type (json, arrays, enumerations) is kept as the text it is written as.
_KINDS = {
    "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT", "real": "FLOAT", "double precision": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "uuid": "UUID", "timestamp with time zone": "TIMESTAMP WITH TIME ZONE", "timestamp without time zone": "TIMESTAMP",
}
# From which power of ten on PostgreSQL writes a number with an exponent.
_EXPONENT_FROM = {"FLOAT": 6, "DOUBLE": 15}
_WORDS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_SETTINGS = ("SET TimeZone = 'UTC'", "SET threads = 1", "SET memory_limit = '512MB'", "SET temp_directory = ''")
_COPY = r"""
COPY (SELECT * FROM read_csv({}, columns = {}, auto_detect = false, header = true, compression = 'gzip', delim = ',', quote = '"',
                             escape = '"', new_line = '\n', nullstr = '', allow_quoted_nulls = false))
TO {} (FORMAT parquet, COMPRESSION zstd)
"""
_DESCRIBE = "DESCRIBE SELECT * FROM read_parquet({})"
_SELECT = "SELECT COLUMNS(*)::VARCHAR FROM read_parquet({})"


def main() -> int:
    import duckdb  # what is pure is tested without it

    packed, parquet = sys.argv[1:]
    columns = [(column["name"], kind(column["type"])) for column in json.load(sys.stdin)]
    try:
        # Nothing is fetched from anywhere: what is needed is in the wheel.
        with duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}) as connection:
            for setting in _SETTINGS:
                connection.execute(setting)
            connection.execute(_copy(packed, parquet, columns))
            told = _read_back(connection, parquet, columns)
    except (duckdb.Error, RuntimeError) as why:
        print(brief(str(why)), file=sys.stderr)
        return 1
    print(json.dumps(told))
    return 0


def brief(said: str) -> str:
    """What DuckDB says on one line, without the record that it quotes and the settings that it lists."""
    return " ".join(" ".join(line for line in said.splitlines() if not line.startswith("Original Line:")).split())[:400]


def kind(of: str) -> str:
    """The type of the file's column for a type of PostgreSQL."""
    exact = re.fullmatch(r"numeric\((\d+),(\d+)\)", of)
    if exact and int(exact[2]) <= int(exact[1]) <= 38:
        return f"DECIMAL({exact[1]},{exact[2]})"
    return _KINDS.get(re.sub(r"^(timestamp)\(\d\)", r"\1", of), "VARCHAR")


def record(values: Iterable[str | None]) -> str:
    """One record as PostgreSQL's COPY writes it: what is absent is nothing, what is empty is quoted."""
    return ",".join("" if value is None else _quoted(value) for value in values) + "\n"


def written(value: str | None, of: str) -> str | None:
    """A value as PostgreSQL writes it, from how DuckDB does; they differ in truth values and in numbers that are not exact."""
    if value is None:
        return None
    if of == "BOOLEAN":
        return value[0]
    return _number(value, of) if of in _EXPONENT_FROM else value


def _number(value: str, of: str) -> str:
    if value in _WORDS:
        return _WORDS[value]
    single = of == "FLOAT"
    number = struct.unpack("f", struct.pack("f", float(value)))[0] if single else float(value)
    if number == 0:
        return f"{number:.0f}"
    digits = _shortest(number, single).normalize()
    power = digits.adjusted()
    if -4 <= power < _EXPONENT_FROM[of]:
        return f"{digits:f}"
    return f"{digits.scaleb(-power):f}e{power:+03d}"


def _shortest(number: float, single: bool) -> Decimal:
    """The fewest digits that lie nearer to this number than to its neighbours; in the middle is not enough for PostgreSQL."""
    whole, width, fraction = ("I", "f", 23) if single else ("Q", "d", 52)
    bits = struct.unpack(whole, struct.pack(width, abs(number)))[0]
    exact = Fraction(abs(number))
    below = Fraction(struct.unpack(width, struct.pack(whole, bits - 1))[0])
    # Above a power of two the numbers lie twice as far apart as below it, but for the smallest.
    above = exact + (exact - below) * (2 if bits % (1 << fraction) == 0 and bits >> fraction > 1 else 1)
    for places in range(17):
        text = f"{number:.{places}e}"
        if (below + exact) / 2 < Fraction(text.lstrip("-")) < (exact + above) / 2:
            return Decimal(text)
    return Decimal(number)


def _quoted(value: str) -> str:
    if value and not set(value) & set(',"\r\n'):
        return value
    return '"' + value.replace('"', '""') + '"'


def _copy(packed: str, parquet: str, columns: list[tuple[str, str]]) -> str:
    types = ", ".join(f"{_text(name)}: {_text(of)}" for name, of in columns)
    return _COPY.format(_text(packed), f"{{{types}}}", _text(parquet))


def _read_back(connection: Any, parquet: str, columns: list[tuple[str, str]]) -> dict[str, Any]:
    file = _text(parquet)
    found = [(row[0], row[1]) for row in connection.execute(_DESCRIBE.format(file)).fetchall()]
    if found != columns:
        raise RuntimeError(f"{parquet} has the columns {found}, not {columns}")
    digest = hashlib.sha256(record(name for name, _of in columns).encode())
    rows = 0
    result = connection.execute(_SELECT.format(file))
    while some := result.fetchmany(1000):
        for row in some:
            digest.update(record(written(value, of) for value, (_name, of) in zip(row, columns)).encode())
        rows += len(some)
    return {"rows": rows, "text_sha256": digest.hexdigest(), "columns": dict(columns)}


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


if __name__ == "__main__":
    sys.exit(main())
