# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter over what every engine said: whether a host may leave, and which release its successor gets."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.module_utils._engine_status import held, newest

_NOTHING: dict = {"error": "", "say": "", "answers": False, "versions": []}


class _Refused(Exception):
    """One line for the operator."""


def engine_leave(engines: dict, host: str, name: str = "", strategies: list | None = None, confirmed: str = "",
                 drained: bool = False) -> dict:
    """Whether the engine of a host may go, by what the engines say; error is set while it may hold anything.

    engines: answers of engine_info by host; name: of its engine, where that is another; strategies: that the inventory gives it;
    confirmed: a person's word that a host which does not answer is off; drained: what it holds is moved away before.
    versions in the answer: what the others run.
    """
    if not isinstance(engines, dict):
        raise AnsibleFilterError(f"hft.ops.engine_leave: expected engines as a dictionary, found {type(engines).__name__}")
    if host not in engines:
        return {**_NOTHING, "say": f"{host} has no engine"}
    status = {one: info["status"] for one, info in engines.items() if info.get("status")}
    others = {one: document for one, document in status.items() if one != host}
    try:
        if host in status:
            say = _living(host, name or host, status[host], drained)
        else:
            say = _silent(host, name or host, others, strategies or [], confirmed)
    except _Refused as refused:
        return {**_NOTHING, "error": str(refused)}
    return {**_NOTHING, "say": say, "answers": host in status, "versions": sorted({document["version"] for document in others.values()})}


def _living(host: str, name: str, status: dict, drained: bool) -> str:
    mine = ", ".join(held(status))
    # Of an earlier run of its engine: nobody trades them, and nobody else will by itself.
    left = sorted(one for one, row in newest({host: status}).items() if _names(row, name) and one not in held(status))
    if left:
        raise _Refused(f"{host}: its engine does not hold {', '.join(left)}, and the rows name it; start them first "
                       "(trading.yml -e trading_action=start)")
    if mine and not drained:
        raise _Refused(f"{host}: its engine holds {mine}; move it away first (drain.yml -e drain_host={host})")
    return f"its engine holds {mine}, which moves away first" if mine else "its engine holds nothing"


def _silent(host: str, name: str, others: dict, strategies: list, confirmed: str) -> str:
    """What it holds is told by the rows that the others read."""
    reading = {one: document for one, document in others.items() if document["database"]["connected"]}
    if not reading:
        raise _Refused(f"{host}: its engine does not answer, and no other engine with a database tells what it holds; bring one up first")
    rows = newest(reading)
    mine = sorted(one for one, row in rows.items() if _names(row, name))
    if mine:
        raise _Refused(f"{host}: its engine does not answer, and the rows of {', '.join(mine)} name it; take over first "
                       f"(failover.yml -e failover_from={host})")
    unknown = sorted(set(strategies) - set(rows))
    if unknown:
        raise _Refused(f"{host}: its engine does not answer, and no engine that does knows the rows of {', '.join(unknown)}")
    if not confirmed:
        raise _Refused(f"{host}: its engine does not answer; say in one line how it is known that the host is off and stays off")
    return f"no row names its engine; a person says that it is off: {confirmed}"


def _names(row: dict, name: str) -> bool:
    return (row["holder"] or "").partition("/")[0] == name


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"engine_leave": engine_leave}
