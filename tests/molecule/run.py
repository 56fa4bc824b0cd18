# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every molecule scenario: check on bare hosts → converge → check listed what converge did → idempotence → verify.

Hosts are created once and made bare again for each scenario (molecule/README.md). Each step counts as one test, and so does
each testinfra test. With names as arguments: only these scenarios. Tests marked `long`, and the scenarios of _LONG, run with --long alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from stage_runner import junit

_ROOT = Path(__file__).resolve().parents[2]
_OUT = Path(os.environ.get("STAGE_JUNIT", _ROOT / "build" / "junit" / "molecule"))
# Minutes of their own, for what changes seldom.
_LONG = {"backup", "firewall", "patroni", "redis"}
_RECORDS = _ROOT / "build" / "record" / "molecule"


def main() -> int:
    wanted = [argument for argument in sys.argv[1:] if argument != "--long"]
    names = sorted(source.parent.name for source in (_ROOT / "molecule").glob("*/converge.yml"))
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        print(f"ERROR: {unknown[0]}: no such scenario; there are {', '.join(names)}", file=sys.stderr)
        return 2
    _molecule("destroy", "default")
    usual = [name for name in names if name not in _LONG or "--long" in sys.argv]
    failed = [name for name in wanted or usual if not _scenario(name)]
    _molecule("destroy", "default")
    if failed:
        print(f"ERROR: failed: {', '.join(failed)}; again, with the hosts left: molecule test -s NAME --destroy=never", file=sys.stderr)
    return int(bool(failed))


def _scenario(name: str) -> bool:
    """Whether all steps passed; after a failed one the later ones would prove nothing."""
    steps: list[junit.Step] = []
    for step in ("check", "converge", "check-equals-converge", "idempotence", "verify"):
        begin = time.monotonic()
        failure = _compare(name) if step == "check-equals-converge" else _molecule(step, name)
        steps.append(junit.Step(step, time.monotonic() - begin, failure))
        print(f"==> {name} {step}: {failure or 'ok'} ({steps[-1].took_s:.0f} s)", flush=True)
        if failure:
            break
    junit.write(f"molecule-{name}", steps, _OUT)
    return steps[-1].failure is None


def _molecule(step: str, scenario: str) -> str | None:
    """Why the step failed, or None."""
    env = {**os.environ, "HFT_RUN_RECORD": str(_record(scenario, step)),
           "PYTEST_ADDOPTS": f"--junit-xml={_OUT}/verify-{scenario}.xml -o junit_family=xunit1"
           + ("" if "--long" in sys.argv else " -m 'not long'")}
    code = subprocess.run(["molecule", step, "-s", scenario], cwd=_ROOT, env=env).returncode
    return None if code == 0 else f"molecule {step} -s {scenario} ended with {code}"


def _record(scenario: str, step: str) -> Path:
    return _RECORDS / f"{scenario}-{step}.jsonl"


def _compare(scenario: str) -> str | None:
    """What check mode listed on the bare hosts must be what converge then changed, path by path."""
    listed, done = (_changes(_record(scenario, step)) for step in ("check", "converge"))
    if not done:
        return "the run changed nothing on a bare host, so nothing was compared"
    problems = [f"only listed by check: {change}" for change in sorted(listed - done)]
    problems += [f"only done by the run: {change}" for change in sorted(done - listed)]
    return "; ".join(problems) or None


def _changes(record: Path) -> set[str]:
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    return {f"{line['host']}: {line['task']}: {line['path']}" for line in lines if line["event"] == "changed"}


if __name__ == "__main__":
    sys.exit(main())
