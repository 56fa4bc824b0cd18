# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. One record of differences, from which changed, check mode, --diff and the result all come.

A module reads the host, states every difference between wanted and found once, together with the write that removes it,
and only then lets the plan run. In check mode the same differences are returned and no write runs:

    module = AnsibleModule(argument_spec=..., supports_check_mode=True)
    plan = Plan(module.check_mode, ChangeRecord("example"))       # a module that writes to the host keeps a record there
    try:
        found = read_the_host()                                   # reads always run
        for key, wanted in sorted(module.params["settings"].items()):
            if found[key] != wanted:
                plan.change(
                    Difference("live", key, before=found[key], after=wanted),
                    write=lambda key=key, wanted=wanted: set_live(key, wanted),
                    undo=lambda key=key: set_live(key, found[key]),
                )
        plan.file(host.owned_file("/etc/example.conf"), content=rendered, mode=0o644)
        plan.run()                                                # the only place where writes happen
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(items_by_name=..., **plan.result())

One write may remove several differences (plan.change(d1, d2, write=...)): a single `systemctl enable` of five units.
Raise HostError for everything that the operator can mend; state all that is wrong with the input before plan.run().
When a write fails, the undo steps of the writes before it run in reverse order and the error is raised again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import HostError, OwnedFile

LAYERS = ("persisted", "booted", "live")
HIDDEN = "(not shown)"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as wanted.

    layer: persisted (a file, an enabled unit, a row), booted (the kernel command line), live (what runs now);
    path: what differs, the host's own name for it; before, after: None when it does not exist;
    secret: before and after are compared but never shown.
    """

    layer: str
    path: str
    before: Any
    after: Any
    secret: bool = False

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise ValueError(f"layer {self.layer}: expected one of {', '.join(LAYERS)}")
        if self.before == self.after:
            raise ValueError(f"{self.path}: before and after are equal, which is no difference")

    def shown(self) -> dict[str, Any]:
        before, after = self.before, self.after
        if self.secret:
            before, after = (value if value is None else HIDDEN for value in (before, after))
        return {"layer": self.layer, "path": self.path, "before": before, "after": after}


@dataclass(frozen=True)
class _Step:
    differences: tuple[Difference, ...]
    write: Callable[[], Any]
    undo: Callable[[], Any] | None


class Plan:
    """What differs and the writes that end it, in the order in which they were stated."""

    def __init__(self, check_mode: bool, record: ChangeRecord | None = None) -> None:
        """record: where the differences are written down before the writes; None where the host itself is not what changes."""
        self.check_mode = check_mode
        self._record = record
        self.differences: list[Difference] = []
        self._steps: list[_Step] = []
        self._follow_ups: list[Callable[[], Any]] = []
        self._done: list[_Step] = []
        self._undone = False

    @property
    def changed(self) -> bool:
        return bool(self.differences) and not self._undone

    def change(self, *differences: Difference, write: Callable[[], Any], undo: Callable[[], Any] | None = None) -> None:
        """State differences and the one write that removes them all."""
        if not differences:
            raise ValueError("a write without a difference would be an unrecorded change")
        self.differences.extend(differences)
        self._steps.append(_Step(differences, write, undo))

    def file(self, file: OwnedFile, content: str | None, mode: int = 0o644, owner: str | None = None, group: str | None = None,
             secret: bool = False) -> bool:
        """State that a file is to have this content, mode and owner; content None: is not to exist. True when that differs."""
        before_mode, before_owner = file.mode, file.owner
        found = []
        if file.before != content:
            found.append(Difference("persisted", file.path, file.before, content, secret))
        if content is not None and before_mode not in (None, mode):
            found.append(Difference("persisted", f"{file.path} (mode)", f"{before_mode:04o}", f"{mode:04o}"))
        if content is not None and before_owner is not None:
            wanted = (owner or before_owner[0], group or before_owner[1])
            if wanted != before_owner:
                found.append(Difference("persisted", f"{file.path} (owner)", ":".join(before_owner), ":".join(wanted)))
        if not found:
            return False

        def undo() -> None:
            file.replace(file.before, before_mode or mode, *(before_owner or (None, None)))

        self.change(*found, write=lambda: file.replace(content, mode, owner, group), undo=undo)
        return True

    def follow_up(self, action: Callable[[], Any]) -> None:
        """What the writes need to be noticed, such as a daemon-reload: runs once after them, and again after they were undone."""
        self._follow_ups.append(action)

    def run(self, verify: Callable[[], Any] | None = None) -> None:
        """Run the writes, then verify (raises HostError when the host did not become what was wanted).

        Neither runs in check mode or without a difference. After a failure everything written is undone, in reverse order.
        """
        if self.check_mode or not self._steps:
            return
        if self._record is not None:
            self._record.append(self._shown())
        try:
            for step in self._steps:
                step.write()
                self._done.append(step)
            for action in self._follow_ups:
                action()
            if verify is not None:
                verify()
        except (HostError, OSError) as wrong:
            raise HostError(f"{wrong}{self.take_back()}") from wrong

    def take_back(self) -> str:
        """Undo what ran, in reverse order; returns what to add to the error when something could not be undone."""
        if not self._steps:
            return ""
        done, self._done = self._done, []
        left = []
        for step in reversed(done):
            if step.undo is None:
                left.append("already done and kept: " + ", ".join(f"{one.path} {one.after}" for one in step.differences))
                continue
            try:
                step.undo()
            except (HostError, OSError) as why:
                left.append(f"could not be undone: {why}")
        try:
            for action in self._follow_ups if done else []:
                action()
        except (HostError, OSError) as why:
            left.append(str(why))
        self._undone = not left
        if self._undone and self._record is not None:
            try:
                self._record.append(self._shown(), undone=True)
            except HostError as why:
                left.append(str(why))
        return "".join(f"; {line}" for line in left)

    def _shown(self) -> list[dict[str, Any]]:
        return [difference.shown() for difference in self.differences]

    def result(self) -> dict[str, Any]:
        """What every module returns: changed, differences, and diff for --diff."""
        return {
            "changed": self.changed,
            "differences": self._shown(),
            "diff": [_diff(difference) for difference in self.differences],
        }

    def failure(self) -> dict[str, Any]:
        """What a failed module returns: the same without the texts of files, among which the error would be lost."""
        told = [{**one, "before": _counted(one["before"]), "after": _counted(one["after"])} for one in self._shown()]
        return {"changed": self.changed, "differences": told}


def _counted(value: Any) -> Any:
    lines = value.count("\n") if isinstance(value, str) else 0
    return f"({lines} lines)" if lines > 1 else value


def _diff(difference: Difference) -> dict[str, str]:
    """The form that --diff prints: a file as its text, anything else as one line."""
    shown = difference.shown()
    header = f"{difference.path} ({difference.layer})"

    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str) and "\n" in value:
            return value
        return f"{value}\n"

    return {"before_header": header, "after_header": header, "before": text(shown["before"]), "after": text(shown["after"])}
