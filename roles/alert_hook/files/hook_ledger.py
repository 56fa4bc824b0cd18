# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.alert_hook: edits are removed by the next run.
"""What the hook saw, decided and did: an SQLite file, so that a restart neither forgets nor repeats."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (fingerprint TEXT, starts_at TEXT, seen_at REAL, outcome TEXT, labels TEXT, dry_run INTEGER,
  PRIMARY KEY (fingerprint, starts_at));
CREATE TABLE IF NOT EXISTS signal (rule TEXT, source TEXT, engine TEXT, fingerprint TEXT, told TEXT, seen_at REAL, used INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS request (id INTEGER PRIMARY KEY, rule TEXT, engine TEXT, reason TEXT, requested_at REAL, expires_at REAL,
  taken_at REAL, taken_by TEXT);
CREATE TABLE IF NOT EXISTS kill (id INTEGER PRIMARY KEY, rule TEXT, engine TEXT, reason TEXT, decided_at REAL, confirmed_at REAL,
  problem TEXT);
"""
# Columns of a request that came later.
_LATER = {"action": "'rollback'", "fingerprint": "''", "starts_at": "''", "epochs": "'{}'"}


class Ledger:
    """One thread at a time: whoever uses it holds the hook's lock."""

    def __init__(self, folder: Path, keep_days: float) -> None:
        self._link = sqlite3.connect(folder / "ledger.sqlite3", isolation_level=None, check_same_thread=False, timeout=5)
        self._link.row_factory = sqlite3.Row
        self._link.execute("PRAGMA journal_mode=WAL")
        self._link.execute("PRAGMA synchronous=FULL")
        self._link.executescript(_SCHEMA)
        there = {row["name"] for row in self._rows("PRAGMA table_info(request)")}
        for column in sorted(set(_LATER) - there):
            self._link.execute(f"ALTER TABLE request ADD COLUMN {column} TEXT DEFAULT {_LATER[column]}")
        self._keep_s = keep_days * 86400

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All of it or nothing."""
        self._link.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._link.execute("ROLLBACK")
            raise
        self._link.execute("COMMIT")

    def prune(self) -> None:
        before = time.time() - self._keep_s
        self._link.execute("DELETE FROM alert WHERE seen_at < ?", (before,))
        self._link.execute("DELETE FROM signal WHERE seen_at < ?", (before,))
        self._link.execute("DELETE FROM request WHERE requested_at < ?", (before,))
        self._link.execute("DELETE FROM kill WHERE decided_at < ?", (before,))

    def known(self, fingerprint: str, starts_at: str) -> bool:
        return bool(self._rows("SELECT 1 FROM alert WHERE fingerprint = ? AND starts_at = ?", fingerprint, starts_at))

    def alert(self, fingerprint: str, starts_at: str, outcome: str, labels: dict[str, str], dry_run: bool) -> None:
        self._link.execute("INSERT INTO alert VALUES (?, ?, ?, ?, ?, ?)",
                           (fingerprint, starts_at, time.time(), outcome, json.dumps(labels, sort_keys=True), dry_run))

    def signal(self, rule: str, source: str, engine: str, fingerprint: str, told: str) -> None:
        self._link.execute("INSERT INTO signal (rule, source, engine, fingerprint, told, seen_at) VALUES (?, ?, ?, ?, ?, ?)",
                           (rule, source, engine, fingerprint, told, time.time()))

    def take_signals(self, rule: str, engine: str, within_s: float) -> list[str]:
        """What the newest signal of each source told, when there are two of them; they count once."""
        rows = self._rows("SELECT source, told, max(seen_at) FROM signal WHERE rule = ? AND engine = ? AND NOT used AND seen_at > ? "
                          "GROUP BY source ORDER BY source", rule, engine, time.time() - within_s)
        if len(rows) < 2:
            return []
        self._link.execute("UPDATE signal SET used = 1 WHERE rule = ? AND engine = ?", (rule, engine))
        return [f"{row['told']} ({row['source']})" for row in rows]

    def request(self, rule: str, engine: str, reason: str, ttl_s: float, action: str = "rollback", fingerprint: str = "",
                starts_at: str = "", epochs: str = "{}") -> int | None:
        """Number of the new request; None while one of the same rule, engine and epochs is not over."""
        now = time.time()
        if self.request_for(rule, engine, epochs):
            return None
        return self._link.execute("INSERT INTO request (rule, engine, reason, requested_at, expires_at, action, fingerprint, starts_at, "
                                  "epochs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                  (rule, engine, reason, now, now + ttl_s, action, fingerprint, starts_at, epochs)).lastrowid

    def request_for(self, rule: str, engine: str, epochs: str) -> dict[str, Any] | None:
        """The one of this rule, engine and epochs that is not over, taken or not."""
        return self._request("rule = ? AND engine = ? AND epochs = ? AND expires_at > ?", rule, engine, epochs, time.time())

    def request_by(self, action: str, fingerprint: str, starts_at: str) -> dict[str, Any] | None:
        """What this alert asked for, over or not."""
        return self._request("action = ? AND fingerprint = ? AND starts_at = ?", action, fingerprint, starts_at)

    def _request(self, where: str, *values: Any) -> dict[str, Any] | None:
        text = f"SELECT id, epochs, taken_at IS NULL AND expires_at > ? AS open FROM request WHERE {where} ORDER BY id DESC"  # noqa: S608
        rows = self._rows(text, time.time(), *values)
        return dict(rows[0]) if rows else None

    def open_requests(self) -> list[dict[str, Any]]:
        rows = self._rows("SELECT id, action, rule, engine, reason, requested_at, expires_at, epochs FROM request "
                          "WHERE taken_at IS NULL AND expires_at > ? ORDER BY id", time.time())
        return [{**dict(row), "epochs": json.loads(row["epochs"])} for row in rows]

    def take_request(self, number: int, by: str) -> bool:
        """Whether it was open; whoever is first takes it."""
        now = time.time()
        return self._link.execute("UPDATE request SET taken_at = ?, taken_by = ? WHERE id = ? AND taken_at IS NULL AND expires_at > ?",
                                  (now, by, number, now)).rowcount == 1

    def kill(self, rule: str, engine: str, reason: str) -> None:
        self._link.execute("INSERT INTO kill (rule, engine, reason, decided_at) VALUES (?, ?, ?, ?)",
                           (rule, engine, reason, time.time()))

    def unconfirmed_kills(self, retry_s: float) -> list[dict[str, Any]]:
        return [dict(row) for row in self._rows("SELECT * FROM kill WHERE confirmed_at IS NULL AND decided_at > ? ORDER BY id",
                                                time.time() - retry_s)]

    def kill_tried(self, number: int, problem: str) -> None:
        self._link.execute("UPDATE kill SET confirmed_at = ?, problem = ? WHERE id = ?",
                           (None if problem else time.time(), problem, number))

    def counts(self) -> dict[str, dict[str, int]]:
        return {"alerts": {row[0]: row[1] for row in self._rows("SELECT outcome, count(*) FROM alert GROUP BY outcome")},
                "requests": {row[0]: row[1] for row in self._rows(
                    "SELECT CASE WHEN taken_at IS NOT NULL THEN 'taken' WHEN expires_at > ? THEN 'open' ELSE 'expired' END, count(*) "
                    "FROM request GROUP BY 1", time.time())},
                "kills": {row[0]: row[1] for row in self._rows(
                    "SELECT CASE WHEN confirmed_at IS NULL THEN 'unconfirmed' ELSE 'confirmed' END, count(*) FROM kill GROUP BY 1")}}

    def _rows(self, text: str, *values: Any) -> list[sqlite3.Row]:
        return self._link.execute(text, values).fetchall()
