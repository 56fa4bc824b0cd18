# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Several modules' work in one process: all of it checked before the first write, all of it taken back together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.hft.ops.plugins.module_utils import _cmdline, _hugepages, _limits, _services, _sysctl
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand, Systemctl


@dataclass(frozen=True)
class _Module:
    """What it takes, what it does, and what of its result is a warning."""

    spec: dict[str, Any]
    apply: Callable[[dict[str, Any], Host, RunCommand, Plan], dict[str, Any]]
    warnings: Callable[[dict[str, Any]], list[str]]


# In their order: services come last, because a start cannot be taken back.
MODULES = {
    "sysctl": _Module(_sysctl.SPEC, lambda params, host, _run, plan: _sysctl.apply(params, host, plan), _sysctl.warnings),
    "limits": _Module(_limits.SPEC, lambda params, host, run, plan: _limits.apply(params, host, Systemctl(run), plan), _limits.warnings),
    "kernel_cmdline": _Module(_cmdline.SPEC, _cmdline.apply, _cmdline.warnings),
    "hugepages": _Module(_hugepages.SPEC, _hugepages.apply, _hugepages.warnings),
    "services": _Module(_services.SPEC, lambda params, host, run, plan: _services.apply(params["units"], host, Systemctl(run), plan),
                        lambda _result: []),
}


@dataclass(frozen=True)
class _Part:
    module: str
    concern: str  # of those that a host has several of
    params: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.module} {self.concern}".strip()


class HostState:
    """What a host is to be, by the names and the options of the modules. check_mode: as in Plan."""

    def __init__(self, given: dict[str, Any], host: Host, run_command: RunCommand, check_mode: bool) -> None:
        self._host, self._run_command, self._check_mode = host, run_command, check_mode
        self._given = given
        self._plans: list[Plan] = []
        self.warnings: list[str] = []

    def apply(self) -> dict[str, Any]:
        """Results by module. HostError for all that is wrong with any part, before any writes; and when a write failed."""
        parts = _parts(self._given)
        self._plans = [Plan(True) for _part in parts]
        results = self._checked(parts)
        if not self._check_mode:
            self._plans = []
            results = [self._run(part) for part in parts]
        self.warnings = [text for part, result in zip(parts, results) for text in MODULES[part.module].warnings(result)]
        return {
            "parts": _by_module(parts, results),
            "reboot_required": any(one.get("reboot_required") for one in results),
            "reboot_reasons": [reason for one in results for reason in one.get("reboot_reasons", [])],
        }

    def result(self) -> dict[str, Any]:
        """As Plan.result(), of all parts."""
        told = [plan.result() for plan in self._plans]
        return {"changed": any(one["changed"] for one in told),
                **{key: [entry for one in told for entry in one[key]] for key in ("differences", "diff")}}

    def failure(self) -> dict[str, Any]:
        """As Plan.failure(), of the parts that ran."""
        told = [plan.failure() for plan in self._plans if not plan.check_mode]
        return {"changed": any(one["changed"] for one in told), "differences": [entry for one in told for entry in one["differences"]]}

    def _checked(self, parts: list[_Part]) -> list[dict[str, Any]]:
        results, problems = [], []
        for part, plan in zip(parts, self._plans):
            try:
                results.append(MODULES[part.module].apply(part.params, self._host, self._run_command, plan))
            except HostError as wrong:
                problems.append(f"{part.place}: {wrong}")
        if not self._check_mode:
            problems += [one["refused"] for one in results if one.get("refused")]
        if problems:
            raise HostError("; ".join(problems))
        return results

    def _run(self, part: _Part) -> dict[str, Any]:
        plan = Plan(False, ChangeRecord(part.module, self._host))
        before, self._plans = self._plans, [*self._plans, plan]
        try:
            return MODULES[part.module].apply(part.params, self._host, self._run_command, plan)
        except HostError as wrong:
            raise HostError(f"{part.place}: {wrong}{''.join(one.take_back() for one in reversed(before))}") from wrong


def _parts(given: dict[str, Any]) -> list[_Part]:
    """In the order of the modules, with their defaults; HostError for options that a module does not take."""
    parts, problems = [], []
    for name, module in MODULES.items():
        wanted = given.get(name)
        for options in wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]:
            checked = ArgumentSpecValidator(module.spec).validate(options)
            problems += [f"{name}: {message}" for message in checked.error_messages]
            params = checked.validated_parameters
            parts.append(_Part(name, str(params.get("name", "")), params))
    if problems:
        raise HostError("; ".join(problems))
    return parts


def _by_module(parts: list[_Part], results: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part, result in zip(parts, results):
        if part.concern:
            found.setdefault(part.module, {})[part.concern] = result
        else:
            found[part.module] = result
    return found
