# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.alert_hook: edits are removed by the next run.
"""alert_hook.py [--check] CONFIG: takes notifications of Alertmanager, requests rollbacks, and latches the kill switch at two signals.

It starts nothing, resumes nothing and runs no program: a request for a rollback waits until a person or a scheduler takes it.
--check tells whether CONFIG, and what it names, can be used.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from pathlib import Path

from hook_decision import Decisions, told
from hook_ledger import Ledger
from hook_server import Server
from hook_settings import Settings, SettingsWrong, load

_RETRY_S = 1.0
_PRUNE_S = 3600.0


def main() -> int:
    arguments = sys.argv[1:]
    check = arguments[:1] == ["--check"]
    if len(arguments) != 1 + check:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        settings = load(Path(arguments[-1]))
    except SettingsWrong as wrong:
        print(f"ERROR: {arguments[-1]}: {wrong}", file=sys.stderr)
        return 1
    if not check:
        serve(settings)
    return 0


def serve(settings: Settings) -> None:
    decisions = Decisions(settings, Ledger(settings.state_dir, settings.keep_days))
    server = Server(settings, decisions)
    threading.Thread(target=_again, args=(decisions,), daemon=True).start()
    told("started", listen=f"{settings.host}:{settings.port}", rules=[rule.name for rule in settings.rules], dry_run=settings.dry_run)
    server.serve_forever()


def _again(decisions: Decisions) -> None:
    """What was decided before a restart, or did not succeed, is tried until kill_retry_s is over."""
    pruned = 0.0
    while True:
        try:
            decisions.kill()
            if time.monotonic() - pruned > _PRUNE_S:
                with decisions.lock:
                    decisions.ledger.prune()
                pruned = time.monotonic()
        except sqlite3.Error as wrong:
            told("problem", why=f"the ledger cannot be written: {wrong}")
        time.sleep(_RETRY_S)


if __name__ == "__main__":
    sys.exit(main())
