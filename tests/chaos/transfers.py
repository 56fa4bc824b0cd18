# SPDX-License-Identifier: GPL-3.0-or-later
"""`make chaos`: faults in the middle of transfers on the lab's hosts, drawn by a seed; after each one the playbooks mend it.

A case counts only if the engine stood at its point while the fault began. Held after each: no order accepted under an epoch after a higher
one or from two holders of one epoch, epochs only rising, no order sent twice, every order and fill that the venue acknowledged in the
database once, one engine trades, and a second run of the playbook ended in the wanted state or refused with the reason. Needs a lab that
`make demo` has brought up; writes build/chaos.json and prints it as the last line; exit 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import phase_stop
from conclusion import conclude
from faults import FAULTS, VENUE, VICTIMS, Fault, Scene, kinds_of, playbook_run
from harm import answers
from lab_hosts import asked, on
from venue_truth import Truth

from lab import docker_engine, machine, playbook
from lab.failure import LabError
from lab.paths import ROOT

_RESULT = ROOT / "build" / "chaos.json"
_ENGINES = ("hft-prod-01", "hft-prod-02")
_DATABASES = ("hft-db-01", *_ENGINES)
_LOG = "/var/log/paper_venue/venue.jsonl"
_POINTS = phase_stop.GIVER_POINTS + phase_stop.TAKER_POINTS
_ROWS = "SELECT coalesce(json_object_agg(strategy, json_build_array(epoch, holder)), '{}') FROM engine_lease"
_KNOWN_S = 90
# An engine stays armed for 60 s when nobody withdraws it.
_READY_S = 75
# What make test runs: each phase that matters most, no case that waits long.
SHORT = (("drain", "giver kill"), ("handed_over", "giver freeze"), ("claimed", "primary kill"), ("claim", "notification dropped"),
         ("fenced", "venue kill"), (phase_stop.ORDER, "giver freeze"), ("rehearsed", "taker on another build"),
         ("handed_over", "promotion beside a primary that lives"))
_ALONE = (("hand_over", "backend stalled"), ("hand_over", "notification dropped"), ("hand_over", "synchronous set emptied"),
          ("rehearsed", "second operator"), ("claim", "second operator"), ("drain", "kill switch"), ("handed_over", "kill switch"),
          ("first_order", "kill switch"), ("handed_over", "primary lost and a standby promoted"),
          ("hand_over", "commit waits, then the primary crashes"), ("hand_over", "disk of the log full"),
          ("hand_over", "database clock an hour ahead"), ("claim", "database clock an hour behind"), ("rehearsed", "half a configuration"),
          (phase_stop.ORDER, "giver freeze"), ("first_order", "taker freeze"), ("handed_over", "promotion beside a primary that lives"),
          ("rehearsed", "taker on another build"), ("hand_over", "handover lost with the primary"))


@dataclass
class Case:
    """point, fault: what was asked; inside: the engine stood there as the fault began; second: how the second run of the playbook ended."""

    point: str
    fault: str
    giver: str = ""
    inside: bool = False
    first: str = ""
    second: str = ""
    stale_refused: int = 0
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


def drawn(seed: int) -> list[tuple[str, str]]:
    """Every point with every victim, the kind of harm drawn; then what is one of a kind."""
    choice = random.Random(seed)  # noqa: S311 - nothing secret
    pairs = [(point, choice.choice(kinds_of(victim))) for point, victim in itertools.product(_POINTS, VICTIMS)]
    choice.shuffle(pairs)
    return [*pairs, *_ALONE]


# -- who holds, who trades

def _primary() -> str:
    found = [host for host in _DATABASES if asked(host, "SELECT NOT pg_is_in_recovery()") == "t"]
    if len(found) != 1:
        raise LabError(f"expected one primary, found {', '.join(found) or 'none'}")
    return found[0]


def _rows(primary: str) -> dict[str, tuple[int, str]]:
    return {name: (epoch, holder or "") for name, (epoch, holder) in json.loads(asked(primary, _ROWS, "hft_db") or "{}").items()}


def _told(host: str, path: str) -> dict[str, Any]:
    """What the engine of the host says there; nothing when it does not answer."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/api/v1/{path}', timeout=3).read().decode())"
    with contextlib.suppress(LabError, ValueError):
        return json.loads(on(host, f'python3 -c "{ask}"'))
    return {}


def _status(host: str) -> dict[str, Any]:
    return _told(host, "status") or {"strategies": []}


def _could_take_part(host: str) -> bool:
    """It has its database and its venues, and is armed for nothing: what a case before left behind expires by itself."""
    status, transfers = _status(host), _told(host, "transfer").get("transfers")
    return (status["strategies"] != [] and transfers is not None and status["database"]["connected"]
            and all(one["status"] == "connected" for one in status["exchanges"])
            and not any(one["outcome"] == "armed" for one in transfers))


def _trades(host: str) -> bool:
    told = _status(host)["strategies"]
    return bool(told) and all(one["trading"] and one["accepted"]["epoch"] == one["epoch"] for one in told)


def _until(what: str, wait_s: float, probe: Any) -> str:
    """Empty once probe is true; else what did not come."""
    deadline = time.monotonic() + wait_s
    while not probe():
        if time.monotonic() > deadline:
            return f"not within {wait_s:g} s: {what}"
        time.sleep(0.5)
    return ""


# -- one case

def one(point: str, fault_name: str, number: str) -> Case:
    case, fault, begin = Case(point, fault_name), FAULTS[fault_name], time.monotonic()
    primary = _primary()
    trading = [host for host in _ENGINES if _trades(host)]
    if len(trading) != 1:
        raise LabError(f"expected one engine that trades before the case, found {', '.join(trading) or 'none'}")
    case.giver, taker = trading[0], next(host for host in _ENGINES if host != trading[0])
    stopped = taker if point in phase_stop.TAKER_POINTS else case.giver
    log, before = Truth(int(on(VENUE, f"stat -c %s {_LOG}"))), _rows(primary)
    time.sleep(1)
    with tempfile.TemporaryDirectory(prefix="hft-chaos-") as control_dir:
        scene = Scene(case.giver, taker, primary, stopped, control_dir, number)
        try:
            _arrange(scene, case, fault)
            _transfer(scene, case, fault)
        except LabError as failure:
            case.wrong.append(str(failure))
        finally:
            phase_stop.forget(stopped)
            phase_stop.forget(taker)
            phase_stop.go_on(stopped)
        case.wrong += _settle(scene, case)
    case.wrong += _held(log, before, case)
    case.took_s = round(time.monotonic() - begin, 1)
    return case


def _operator(taker: str, number: str, control_dir: str) -> subprocess.Popen:
    return playbook_run("transfer", "-e", f"transfer_to={taker}", "-e", f"transfer_id={number}",
                        output=ROOT / "build" / "log" / "chaos_transfer.log", ANSIBLE_SSH_CONTROL_PATH_DIR=control_dir)


def _arrange(scene: Scene, case: Case, fault: Fault) -> None:
    """Everything but the transfer: it would be refused, or be over, while the fault still takes its time to prepare."""
    fault.before(scene)
    late = _until("both engines have database and venue and are armed for nothing", _READY_S, lambda: all(map(_could_take_part, _ENGINES)))
    if late:
        raise LabError(late)
    phase_stop.stop_at(scene.stopped, case.point)


def _transfer(scene: Scene, case: Case, fault: Fault) -> None:
    """The operator's playbook, the fault in the middle of it."""
    scene.operator = _operator(scene.taker, scene.name, scene.control_dir)
    try:
        try:
            _inject(scene, case, fault)
        except LabError as failure:
            case.wrong.append(str(failure))
        with contextlib.suppress(subprocess.TimeoutExpired):
            scene.operator.wait(timeout=120)
        if scene.operator.poll() is None:
            case.wrong.append("the playbook did not end within 120 s")
        case.first = f"exit {scene.operator.poll()}"
    finally:
        _end(scene.operator)


def _inject(scene: Scene, case: Case, fault: Fault) -> None:
    if not phase_stop.stands(scene.stopped, 45):
        case.wrong.append(f"{scene.stopped} did not reach {case.point}")
        return
    fault_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    try:
        fault.begin(scene)
    except LabError as failure:
        case.wrong.append(str(failure))
    seen = phase_stop.told(scene.stopped) if _runs(scene.stopped) else [("stopped", case.point, 0)]
    case.inside = not any(what == "continued" and at < fault_ns for what, _point, at in seen)
    case.log = [f"{what} {point} {at}" for what, point, at in seen] + [f"fault {case.fault} {fault_ns}"]
    stays = fault.holds and case.fault.split()[0] == ("giver" if scene.stopped == scene.giver else "taker")
    if not stays and _runs(scene.stopped):
        phase_stop.go_on(scene.stopped)
    fault.mend(scene)


def _runs(host: str) -> bool:
    return subprocess.run(["docker", "inspect", "-f", "{{.State.Running}}", host], capture_output=True, text=True).stdout.strip() == "true"


def _end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


# -- afterwards

def _settle(scene: Scene, case: Case) -> list[str]:
    """As an operator would: the same wish again, then whatever the refusal asks for."""
    for host in _ENGINES:
        late = _until(f"the engine of {host} answers", 60, lambda host=host: _status(host)["strategies"])
        if late:
            return [late]
    answers(scene.primary)
    again = playbook.run("transfer", "-e", f"transfer_to={scene.taker}", record="chaos_again", show=False)
    case.second = "done" if again.rc == 0 else _reason(again.output)
    if again.rc == 0 and not scene.kept.get("killed"):
        return [late] if (late := _until(f"{scene.taker} trades after the second run", 20, lambda: _trades(scene.taker))) else []
    if case.second == "no reason given":
        return ["the second run failed without a reason"]
    if scene.kept.get("killed"):
        if any(map(_trades, _ENGINES)):
            return ["an engine trades with the kill switch latched"]
        playbook.must("killswitch_clear", "-e", "killswitch_reason=chaos is over", record="chaos_clear", show=False)
    started = _started(scene.taker)
    if started.rc != 0 and "stop it first" in " ".join(started.output.split()):  # a message is folded
        playbook.must("trading", "-e", "trading_action=stop", record="chaos_stop", show=False)
        started = _started(scene.taker)
    if started.rc != 0:
        holder = next((host for host in _ENGINES if _trades(host)), None)
        return [] if holder else [f"no way back to trading: {_reason(started.output)}"]
    return [late] if (late := _until("one engine trades", 20, lambda: sum(map(_trades, _ENGINES)) == 1)) else []


def _started(host: str) -> playbook.Run:
    return playbook.run("trading", "-e", "trading_action=start", "-e", f"trading_engine={host}", record="chaos_start", show=False)


def _reason(output: str) -> str:
    found = re.findall(r'"?msg"?: "?(.+?)"?$', output, re.MULTILINE)
    return found[-1][:300] if found else "no reason given"


def _held(log: Truth, before: dict[str, tuple[int, str]], case: Case) -> list[str]:
    primary, text = _primary(), on(VENUE, f"tail -c +{log.begin + 1} {_LOG}")
    log.read(text)
    found = log.faults()
    case.stale_refused = found.pop("stale_refused")
    wrong = [f"{name} {count}" for name, count in found.items() if count]
    now = {name: epoch for name, (epoch, _holder) in _rows(primary).items()}
    wrong += [f"epoch of {name}: {now.get(name)} after {epoch}" for name, (epoch, _holder) in before.items() if now.get(name, -1) < epoch]
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]
    fills = {str(line["fill_id"]) for line in lines if line["ev"] == "fill"}
    deadline = time.monotonic() + _KNOWN_S
    while True:
        missing = _missing(primary, log, fills)
        if not missing or time.monotonic() > deadline:
            return wrong + missing
        time.sleep(1)


def _missing(primary: str, log: Truth, fills: set[str]) -> list[str]:
    """Orders and fills of the venue that are not in the database once."""
    if not log.rate():
        return ["no order at the venue: nothing is proven"]
    lowest = log.first_epoch()
    rows = asked(primary, f"SELECT strategy || ' ' || epoch || ' ' || seq FROM orders WHERE epoch >= {lowest}", "hft_db")  # noqa: S608
    told = Counter(asked(primary, f"SELECT fill_id FROM fills WHERE epoch >= {lowest}", "hft_db").split())  # noqa: S608
    counts = {"orders lost or doubled": log.against(tuple(line.split()) for line in rows.splitlines())["lost"],
              "fills lost": sum(told[key] == 0 for key in fills), "fills doubled": sum(told[key] > 1 for key in fills)}
    return [f"{name}: {count}" for name, count in counts.items() if count]


# -- all of them

@contextlib.contextmanager
def stoppable_engines() -> Any:
    """The lab's engines with phase_stop loaded; as they were afterwards."""
    phase_stop.install(_ENGINES)
    try:
        _restart()
        for host in _ENGINES:
            phase_stop.must_be_loaded(host)
        yield
    finally:
        phase_stop.remove(_ENGINES)
        _restart()


def _restart() -> None:
    playbook.must("trading", "-e", "trading_action=stop", record="chaos_stop", show=False)
    for host in _ENGINES:
        on(host, f"systemctl restart {phase_stop.UNIT}")
    for host in _ENGINES:
        late = _until(f"the engine of {host} answers", 60, lambda host=host: _status(host)["strategies"])
        if late:
            raise LabError(late)
    playbook.must("trading", "-e", "trading_action=start", "-e", f"trading_engine={_ENGINES[0]}", record="chaos_start", show=False)


def run(cases: list[tuple[str, str]], seed: int) -> dict[str, Any]:
    result: dict[str, Any] = {**machine.head(seed), "cases": 0, "survived": 0, "missed_phase": 0, "failed": [], "by_fault": {},
                              "by_point": {}, "all": []}
    prefix = f"chaos-{int(time.time())}"
    try:
        with stoppable_engines():
            for number, (point, fault) in enumerate(cases):
                case = one(point, fault, f"{prefix}-{number}")
                _count(result, case)
                print(f"==> {number + 1}/{len(cases)} {json.dumps(asdict(case))}", flush=True)
    except (LabError, KeyboardInterrupt) as failure:
        result["ended_by"] = str(failure) or "interrupted"
    return result


def _count(result: dict[str, Any], case: Case) -> None:
    result["all"].append(asdict(case))
    if not case.inside:
        result["missed_phase"] += 1
        return
    result["cases"] += 1
    for table, key in (("by_fault", case.fault), ("by_point", case.point)):
        result[table][key] = result[table].get(key, 0) + 1
    if case.wrong:
        result["failed"].append(asdict(case))
    else:
        result["survived"] += 1


def missed(result: dict[str, Any], least: int) -> list[str]:
    """What did not hold, in words."""
    out = [f"{case['fault']} at {case['point']}, {case['giver']} giving: {wrong}" for case in result["failed"] for wrong in case["wrong"]]
    if "ended_by" in result:
        out.append(f"ended by: {result['ended_by']}")
    if result["cases"] < least:
        out.append(f"{result['cases']} cases inside their phase: expected at least {least}")
    return out


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seed", type=int, default=42)
    words.add_argument("--short", action="store_true", help="the eight of `make test`")
    words.add_argument("--only", default="", metavar="POINT:FAULT", help="one case, such as fence:taker freeze")
    words.add_argument("--from", dest="first", type=int, default=0, help="leave out so many at the beginning")
    words.add_argument("--count", type=int, help="so many at most")
    given = words.parse_args()
    cases = [tuple(given.only.split(":", 1))] if given.only else list(SHORT) if given.short else drawn(given.seed)[given.first:]
    cases = cases[:given.count]
    for point, fault in cases:
        if point not in (*_POINTS, phase_stop.ORDER) or fault not in FAULTS:
            words.error(f"{point}:{fault}: expected one of {', '.join((*_POINTS, phase_stop.ORDER))} and one of {', '.join(FAULTS)}")
    docker_engine.ensure()
    result = run(cases, given.seed)
    return conclude(result, _RESULT, missed(result, min(len(cases), 60)))


if __name__ == "__main__":
    sys.exit(main())
