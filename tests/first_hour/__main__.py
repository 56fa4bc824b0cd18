# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-first-hour`: types what docs/first_hour.md shows, in a clone of its own, and writes build/bench/first_hour.json.

A machine without a lab is asked for, as the reader's is. --from begins later and --to ends earlier, by words of the titles; nothing is
written then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from page import Step, steps

from lab import machine

_ROOT = Path(__file__).resolve().parents[2]
_WORK = _ROOT / "build" / "first_hour"
_CLONE = _WORK / "hft.ops"
_HERE = _CLONE / "tests" / "first_hour" / "hosts"
_RESULT = _ROOT / "build" / "bench" / "first_hour.json"
_SSH = """\
Host trade-01
  HostName 10.213.83.11
Host trade-02
  HostName 10.213.83.12
Host trade-* 10.213.83.*
  User deploy
  IdentityFile {keys}/id_ed25519
  UserKnownHostsFile {keys}/known_hosts
  HostKeyAlgorithms ssh-ed25519
  IdentitiesOnly yes
"""


class Stopped(Exception):
    """A command of the page did not do what it should."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="first_hour", description=__doc__)
    parser.add_argument("--from", dest="begin", default="", help="words of the title of the first step")
    parser.add_argument("--to", dest="end", default="", help="words of the title of the last step")
    args = parser.parse_args()
    every = steps()
    first = next((number for number, step in enumerate(every) if args.begin and args.begin in step.title), 0)
    last = next((number for number, step in enumerate(every) if args.end and args.end in step.title), len(every) - 1)
    result = machine.head(seed=None)
    begin = time.monotonic()
    try:
        if not first:
            _clone()
        took = {step.title: _walk(step) for step in every[first:last + 1]}
    except Stopped as wrong:
        print(f"ERROR: {wrong}", file=sys.stderr)
        return 1
    result |= {"total_s": round(time.monotonic() - begin, 1), "steps": took}
    if len(took) == len(every):
        _RESULT.parent.mkdir(parents=True, exist_ok=True)
        _RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    return 0


def _clone() -> None:
    """What the reader has: the repository and nothing else, at the commit that is tried."""
    shutil.rmtree(_WORK, ignore_errors=True)
    _WORK.mkdir(parents=True)
    subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(_CLONE)], check=True)


def _walk(step: Step) -> dict[str, float]:
    """Seconds by command; the exports of the steps before hold on."""
    print(f"==> {step.title}", flush=True)
    if any(act[0] == "write" for act in step.done):
        _reader_has_hosts()
    took = {}
    for act in step.done:
        if act[0] == "write":
            (_CLONE / act[1]).parent.mkdir(parents=True, exist_ok=True)
            (_CLONE / act[1]).write_text(act[2])
        else:
            took[act[1]] = _type(act[1])
    if step.commands[-1] == "make lab-down":
        _lab("down")
    return took


def _type(command: str) -> float:
    """Seconds that it took; exports go to a file that the next command reads first."""
    exports, log = _WORK / "exports.sh", _WORK / "log.txt"
    exports.touch()
    if command.startswith("export "):
        with exports.open("a") as out:
            out.write(command + "\n")
        return 0.0
    begin = time.monotonic()
    with log.open("a") as out:
        out.write(f"$ {command}\n")
        out.flush()
        code = subprocess.run(["bash", "-c", f". {exports}; {command}"], cwd=_CLONE, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, env=_environment()).returncode
    took_s = round(time.monotonic() - begin, 1)
    print(f"    {took_s:7.1f} s  {command[:100]}", flush=True)
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise Stopped(f"{command}: ended with {code}; the end of {log}:\n{tail}")
    return took_s


def _environment() -> dict[str, str]:
    """A login's, with nothing of the checkout that runs this."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS"))}
    return env | {"PATH": ":".join(part for part in env["PATH"].split(":") if not part.startswith(str(_ROOT)))}


def _reader_has_hosts() -> None:
    """Two bare hosts, and the file that says how ssh reaches them."""
    _lab("up")
    (_CLONE / "own").mkdir(exist_ok=True)
    (_CLONE / "own" / "ssh_config").write_text(_SSH.format(keys=_CLONE / ".lab" / "ssh"))


def _lab(verb: str) -> None:
    done = subprocess.run([sys.executable, "-m", "lab", verb, "--inventory", str(_HERE)], cwd=_CLONE,
                          env={**_environment(), "PYTHONPATH": str(_CLONE)}, capture_output=True, text=True)
    if done.returncode != 0:
        raise Stopped(f"lab {verb}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
