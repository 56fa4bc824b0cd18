# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints gates_approvals and gates_evidence of role gates, as JSON: gates.py APPROVALS EVIDENCE

APPROVALS: what GitHub answers about the approvals of this run. An environment approval-ROLE that somebody approved is an approval as ROLE.
EVIDENCE: folder of what evidence.py wrote; one that is not there has none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

_PREFIX = "approval-"


def main(approvals: str, evidence: str) -> int:
    reviews = json.loads(Path(approvals).read_text())
    json.dump({
        "gates_approvals": [{"role": environment["name"][len(_PREFIX):], "name": review["user"]["login"]} for review in reviews
                            if review["state"] == "approved" for environment in review["environments"]
                            if environment["name"].startswith(_PREFIX)],
        "gates_evidence": [json.loads(file.read_text()) for file in sorted(Path(evidence).glob("*.json"))],
    }, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
