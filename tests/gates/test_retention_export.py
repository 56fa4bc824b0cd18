# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role db_retention writes and reads without a database: types, text as PostgreSQL writes it, files that are not whole."""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import sys
from pathlib import Path

import pytest
import retention_export
import retention_parquet

from repository import ROOT

_ROLE = ROOT / "roles" / "db_retention"


@pytest.mark.parametrize(("of", "kind"), [
    ("bigint", "BIGINT"), ("numeric(20,6)", "DECIMAL(20,6)"), ("timestamp with time zone", "TIMESTAMP WITH TIME ZONE"),
    ("timestamp(3) with time zone", "TIMESTAMP WITH TIME ZONE"), ("timestamp(0) without time zone", "TIMESTAMP"), ("jsonb", "VARCHAR"),
    ("character varying(8)", "VARCHAR"), ("numeric", "VARCHAR"), ("numeric(50,2)", "VARCHAR"), ("bigint[]", "VARCHAR"),
])
def test_a_type_is_kept_where_parquet_has_it_and_text_where_not(of: str, kind: str) -> None:
    assert retention_parquet.kind(of) == kind


@pytest.mark.parametrize(("of", "digits", "scale", "beyond", "copied"), [
    ("numeric(20,6)", 5, 6, False, "numeric(20,6)"), ("numeric(20,6)", 5, 6, True, "text"), ("numeric", 30, 8, False, "numeric(38,8)"),
    ("numeric", 31, 8, False, "text"), ("numeric(50,2)", 36, 2, False, "numeric(38,2)"), ("numeric(3,5)", 1, 5, False, "numeric(38,5)"),
])
def test_a_number_is_copied_with_every_digit_or_as_text(of: str, digits: int, scale: int, beyond: bool, copied: str) -> None:
    assert retention_export.decimal(of, digits, scale, beyond) == copied


# Each as PostgreSQL 17 wrote it.
@pytest.mark.parametrize(("duckdb", "of", "postgresql"), [
    ("true", "BOOLEAN", "t"), ("false", "BOOLEAN", "f"), ("nan", "DOUBLE", "NaN"), ("-inf", "FLOAT", "-Infinity"), ("-0.0", "DOUBLE", "-0"),
    ("0.1", "DOUBLE", "0.1"), ("1.0", "DOUBLE", "1"), ("1000000000000000.0", "DOUBLE", "1e+15"), ("0.0001", "DOUBLE", "0.0001"),
    ("1e-05", "DOUBLE", "1e-05"), ("-2.701597381076931e+16", "DOUBLE", "-2.7015973810769312e+16"), ("1e+300", "DOUBLE", "1e+300"),
    ("5e-324", "DOUBLE", "5e-324"), ("123456.0", "FLOAT", "123456"), ("1000000.0", "FLOAT", "1e+06"),
    ("-244195.375", "FLOAT", "-244195.38"), ("-1.64944192e+08", "FLOAT", "-1.6494419e+08"), ("0.1", "FLOAT", "0.1"),
    ("0.10", "DECIMAL(4,2)", "0.10"),
])
def test_a_value_is_written_as_postgresql_writes_it(duckdb: str, of: str, postgresql: str) -> None:
    assert retention_parquet.written(duckdb, of) == postgresql


def test_a_record_tells_what_is_absent_from_what_is_empty() -> None:
    assert retention_parquet.record(["1", None, "", "a,b", 'a "q"', "two\nlines", " x "]) == '1,,"","a,b","a ""q""","two\nlines", x \n'


def test_a_packed_file_is_counted_and_summed_by_its_text(tmp_path: Path) -> None:
    text = b'a,b\n1,"two\nlines"\n2,' + b"x" * 200_000 + b"\n"
    path = tmp_path / "chunk.csv.gz"
    path.write_bytes(gzip.compress(text))
    assert retention_export.read_back(path) == (2, hashlib.sha256(text).hexdigest())


def test_a_packed_file_that_is_not_whole_is_named(tmp_path: Path) -> None:
    path = tmp_path / "chunk.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n" * 10_000)[:-9])
    with pytest.raises(RuntimeError, match=re.escape(f"{path} cannot be read back")):
        retention_export.read_back(path)


def test_a_python_that_fails_says_so_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"chunk\.parquet could not be made \(.* ended with 1\): it said nothing"):
        retention_export.to_parquet("/bin/false", tmp_path / "chunk.csv.gz", tmp_path / "chunk.parquet", [])


def test_a_python_that_is_gone_is_named_with_the_way_to_have_it_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"/nowhere/python does not run \(No such file.*\): let the role hft\.ops\.db_retention"):
        retention_export.to_parquet("/nowhere/python", tmp_path / "chunk.csv.gz", tmp_path / "chunk.parquet", [])


def test_what_duckdb_says_of_a_long_record_is_brief() -> None:
    assert retention_parquet.brief("CSV Error\nOriginal Line: " + "y" * 3_000_000 + "\nToo long.\n") == "CSV Error Too long."
    assert len(retention_parquet.brief("y" * 3_000_000)) == 400


def test_every_wheel_is_pinned_by_its_sum() -> None:
    text = (_ROLE / "files" / "requirements.txt").read_text()
    assert re.findall(r"^(\w+)==[0-9.]+ ", text, re.MULTILINE) == ["duckdb"]
    assert len(set(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text))) == 6


def test_the_longest_field_is_read() -> None:
    assert csv.field_size_limit() == sys.maxsize
