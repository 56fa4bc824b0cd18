# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Migration files and what is to be done with them; knows nothing of a database connection."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._host import HostError

ROLLBACK_FOLDER = "rollback"
_NAME = re.compile(r"(\d{3,})_([a-z0-9][a-z0-9_]*)\.sql")
_HEADER = re.compile(r"^[ \t]*--[ \t]*hft:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
_HEAD = re.compile(r"(?:[ \t]*(?:--[^\n]*)?\r?(?:\n|\Z))*")
_NO_TRANSACTION = "no-transaction"
_CONTRACT = re.compile(r"contract since (\d+\.\d+\.\d+)")
_TRANSACTION_CONTROL = re.compile(
    r"(?:^|;)\s*(BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|PREPARE\s+TRANSACTION)\b[^;]*(?=;|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    sql: str
    rollback_name: str
    rollback_sql: str

    @property
    def contract_since(self) -> str | None:
        """The first version of the engine that works without what this file takes away; None for one that only adds."""
        return next((found.group(1) for found in map(_CONTRACT.fullmatch, headers(self.sql)) if found), None)

    @property
    def label(self) -> str:
        return self.name[: -len(".sql")]

    @property
    def description(self) -> str:
        return self.label.split("_", 1)[1].replace("_", " ")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Applied:
    """One row of schema_version."""

    version: int
    description: str
    sha256: str


def parse(files: Mapping[str, str], where: str) -> list[Migration]:
    """Migrations in order, from file names relative to the directory. All that is wrong is told at once."""
    problems: list[str] = []
    by_version: dict[int, list[str]] = {}
    for name in sorted(files):
        if "/" in name or not name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(name)
        if match is None:
            problems.append(f"{name}: expected NNN_description.sql in lower case; rename it")
            continue
        by_version.setdefault(int(match.group(1)), []).append(name)
    problems += [f"{' and '.join(names)}: share number {version}; renumber the younger"
                 for version, names in sorted(by_version.items()) if len(names) > 1]
    versions = sorted(by_version)
    if versions and not problems:
        absent = sorted(set(range(1, versions[-1] + 1)) - set(versions))
        problems += [f"{version:03d}: missing between 001 and {versions[-1]:03d}; numbers have no gap" for version in absent]
    migrations = []
    for version in versions:
        name = by_version[version][0]
        rollback = f"{ROLLBACK_FOLDER}/{name.split('_', 1)[0]}_rollback.sql"
        if rollback not in files:
            problems.append(f"{rollback}: missing, so {name} could not be taken back; write it")
        problems += _problems_of(name, files[name], contract=True) + _problems_of(rollback, files.get(rollback, ""), contract=False)
        migrations.append(Migration(version, name, files[name], rollback, files.get(rollback, "")))
    if not migrations and not problems:
        problems.append("holds no NNN_description.sql")
    if problems:
        raise HostError(f"{where}: " + "; ".join(problems))
    return migrations


def _problems_of(name: str, sql: str, contract: bool) -> list[str]:
    """What one file may not hold."""
    allowed = f"{_NO_TRANSACTION!r}" + (" or 'contract since MAJOR.MINOR.PATCH'" if contract else "")
    head = len(_HEAD.match(sql).group())
    problems = []
    for found in _HEADER.finditer(sql):
        place = f"{name}, line {sql.count(chr(10), 0, found.start()) + 1}"
        if found.start() >= head:
            problems.append(f"{place}: a header counts only above the first statement; move it there")
        elif found.group(1) != _NO_TRANSACTION and not (contract and _CONTRACT.fullmatch(found.group(1))):
            problems.append(f"{place}: unknown header {found.group(1)!r}; expected {allowed}")
    problems += [f"{name}, line {line}: {word} would end the transaction that the driver opens; remove it"
                 for line, word in transaction_control(sql)]
    bare = _blanked(sql)
    if "\\" in bare:
        problems.append(f"{name}, line {bare.count(chr(10), 0, bare.index(chr(92))) + 1}: "
                        "a backslash outside a text is a command to psql, not SQL; remove it")
    return problems


def headers(sql: str) -> list[str]:
    """What the `-- hft:` lines above the first statement say."""
    return _HEADER.findall(_HEAD.match(sql).group())


def in_transaction(sql: str) -> bool:
    return _NO_TRANSACTION not in headers(sql)


def pending(migrations: list[Migration], applied: Iterable[Applied], target: int | None, where: str) -> list[Migration]:
    """What to apply, in order."""
    done = _checked(migrations, applied, where)
    _refuse_unknown_target(migrations, target, where)
    return [one for one in migrations if one.version not in done and (target is None or one.version <= target)]


def to_roll_back(migrations: list[Migration], applied: Iterable[Applied], target: int, where: str) -> list[Migration]:
    """What to take back so that target is the highest version left, youngest first."""
    done = _checked(migrations, applied, where)
    if target:
        _refuse_unknown_target(migrations, target, where)
    known = {one.version: one for one in migrations}
    return [known[version] for version in sorted(done, reverse=True) if version > target and version in known]


def ahead(migrations: list[Migration], applied: Iterable[Applied]) -> list[int]:
    """Versions in the database that this directory does not know: it is older than the database."""
    known = {one.version for one in migrations}
    return sorted(row.version for row in applied if row.version not in known)


def _checked(migrations: list[Migration], applied: Iterable[Applied], where: str) -> dict[int, Applied]:
    done = {row.version: row for row in applied}
    problems = [f"{one.name}: was changed after it was applied (sha256 {one.sha256[:12]}, applied {done[one.version].sha256[:12]}); "
                "restore it and put the change into a new migration"
                for one in migrations if one.version in done and done[one.version].sha256 != one.sha256]
    problems += [f"{one.name}: was applied with the description {done[one.version].description!r}; give it that name again"
                 for one in migrations if one.version in done and done[one.version].description != one.description]
    highest = max(done, default=0)
    problems += [f"{one.name}: is not applied, but {highest:03d} is; give it a number above {highest:03d}"
                 for one in migrations if one.version not in done and one.version < highest]
    if problems:
        raise HostError(f"{where}: " + "; ".join(problems))
    return done


def _refuse_unknown_target(migrations: list[Migration], target: int | None, where: str) -> None:
    if target is not None and target not in {one.version for one in migrations}:
        raise HostError(f"target {target}: no such version in {where}; it has 1 to {migrations[-1].version}")


def transaction_control(sql: str) -> list[tuple[int, str]]:
    """Line and word of each statement that would end the driver's transaction; bodies of functions and texts do not count."""
    bare = _blanked(sql)
    return [(bare.count("\n", 0, found.start(1)) + 1, " ".join(found.group(1).upper().split()))
            for found in _TRANSACTION_CONTROL.finditer(bare)]


def line_of(sql: str, ends: int, within: int) -> int:
    """Line of the file that is line `within` of the statement which psql sent off at line `ends` (all from 1)."""
    bare = _blanked(sql)
    begin = 0
    for found in re.finditer(r";|\Z", bare):
        if bare.count("\n", 0, found.start()) + 1 >= ends or found.start() == len(bare):
            break
        begin = found.end()
    blank = len(bare[begin:]) - len(bare[begin:].lstrip())
    return bare.count("\n", 0, begin + blank) + within


_OPAQUE = re.compile(
    r"--[^\n]*"                                     # comment to the end of the line
    r"|/\*.*?\*/"                                   # comment
    r"|(?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag)"   # body between dollar quotes
    r"|\bBEGIN\s+ATOMIC\b.*?;\s*END\b"              # body of a function in standard SQL
    r"|[eE]'(?:[^'\\]|\\.|'')*'"                    # text with escapes
    r"|'(?:[^']|'')*'"                              # text
    r'|"(?:[^"]|"")*"',                             # name
    re.DOTALL | re.IGNORECASE)


def _blanked(sql: str) -> str:
    """The same length and lines, with comments, texts, names and bodies as blanks."""
    return _OPAQUE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), sql)
