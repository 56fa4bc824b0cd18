# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import HIDDEN, Difference, Plan


class Knobs:
    """Two values that can be written, and whose writes can fail."""

    def __init__(self) -> None:
        self.values = {"a": 1, "b": 1}
        self.log: list[str] = []
        self.broken: set[str] = set()

    def set(self, name: str, value: int) -> None:
        self.log.append(f"{name}={value}")
        if f"{name}={value}" in self.broken:
            raise HostError(f"{name}: refused")
        self.values[name] = value

    def want(self, plan: Plan, **wanted: int) -> None:
        for name, value in wanted.items():
            if self.values[name] != value:
                before = self.values[name]
                plan.change(Difference("live", name, before, value), write=lambda name=name, value=value: self.set(name, value),
                            undo=lambda name=name, before=before: self.set(name, before))


@pytest.fixture
def knobs() -> Knobs:
    return Knobs()


def test_check_mode_records_the_same_and_writes_nothing(knobs):
    check, real = Plan(check_mode=True), Plan(check_mode=False)
    knobs.want(check, a=2, b=3)
    check.run(verify=lambda: pytest.fail("nothing was written, so there is nothing to verify"))
    assert knobs.log == []
    knobs.want(real, a=2, b=3)
    real.run()
    assert check.result() == real.result()
    assert knobs.values == {"a": 2, "b": 3}


def test_without_a_difference_nothing_is_changed_and_no_follow_up_runs(knobs):
    plan = Plan(check_mode=False)
    knobs.want(plan, a=1, b=1)
    plan.follow_up(lambda: knobs.log.append("reload"))
    plan.run()
    assert plan.result() == {"changed": False, "differences": [], "diff": []}
    assert knobs.log == []


def test_follow_up_runs_once_after_the_writes(knobs):
    plan = Plan(check_mode=False)
    knobs.want(plan, a=2, b=2)
    plan.follow_up(lambda: knobs.log.append("reload"))
    plan.run()
    assert knobs.log == ["a=2", "b=2", "reload"]


def test_failed_write_undoes_those_before_it_in_reverse_and_reports_no_change(knobs):
    knobs.values["c"] = 1
    knobs.broken.add("c=9")
    plan = Plan(check_mode=False)
    knobs.want(plan, a=2, b=2, c=9)
    plan.follow_up(lambda: knobs.log.append("reload"))
    with pytest.raises(HostError, match=r"^c: refused$"):
        plan.run()
    assert knobs.values == {"a": 1, "b": 1, "c": 1}
    assert knobs.log == ["a=2", "b=2", "c=9", "b=1", "a=1", "reload"]
    assert not plan.changed


def test_failed_verification_undoes_everything(knobs):
    def verify():
        raise HostError("a: the host did not become what was wanted")

    plan = Plan(check_mode=False)
    knobs.want(plan, a=2)
    with pytest.raises(HostError, match="did not become"):
        plan.run(verify)
    assert knobs.values["a"] == 1


def test_what_cannot_be_undone_is_named_and_counts_as_changed(knobs):
    knobs.broken |= {"b=2", "a=1"}
    plan = Plan(check_mode=False)
    knobs.want(plan, a=2, b=2)
    with pytest.raises(HostError, match="b: refused; could not be undone: a: refused"):
        plan.run()
    assert plan.changed


def test_write_without_a_way_back_is_kept_and_named(knobs):
    knobs.broken.add("b=2")
    plan = Plan(check_mode=False)
    plan.change(Difference("live", "a", 1, 2), write=lambda: knobs.set("a", 2))
    knobs.want(plan, b=2)
    with pytest.raises(HostError, match="already done and kept: a 2"):
        plan.run()
    assert plan.changed


def test_secret_is_compared_and_never_shown(tmp_path):
    (tmp_path / "f").write_text("old-password\n")
    plan = Plan(check_mode=True)
    assert plan.file(Host(tmp_path).owned_file("/f"), "new-password\n", mode=0o600, secret=True)
    assert plan.differences[0].shown()["after"] == HIDDEN
    assert "password" not in str(plan.result())


def test_difference_needs_a_known_layer_and_a_difference():
    with pytest.raises(ValueError, match="layer memory"):
        Difference("memory", "a", 1, 2)
    with pytest.raises(ValueError, match="no difference"):
        Difference("live", "a", 1, 1)
    with pytest.raises(ValueError, match="unrecorded"):
        Plan(check_mode=False).change(write=lambda: None)


def test_diff_shows_files_as_text_and_values_as_one_line(tmp_path):
    plan = Plan(check_mode=True)
    plan.file(Host(tmp_path).owned_file("/etc/x.conf"), "one\ntwo\n")
    plan.change(Difference("live", "vm.swappiness", "60", "1"), write=lambda: None)
    assert plan.result()["diff"] == [
        {"before_header": "/etc/x.conf (persisted)", "after_header": "/etc/x.conf (persisted)", "before": "", "after": "one\ntwo\n"},
        {"before_header": "vm.swappiness (live)", "after_header": "vm.swappiness (live)", "before": "60\n", "after": "1\n"},
    ]


def test_failure_tells_paths_and_short_values_and_only_counts_the_lines_of_files(tmp_path):
    plan = Plan(check_mode=False)
    plan.file(Host(tmp_path).owned_file("/etc/a.conf"), "one\ntwo\n")
    plan.change(Difference("live", "knob", 1, 2), write=lambda: None)
    told = plan.failure()["differences"]
    assert [(one["path"], one["before"], one["after"]) for one in told] == [("/etc/a.conf", None, "(2 lines)"), ("knob", 1, 2)]


def test_mode_alone_is_a_difference_and_is_mended(tmp_path):
    host = Host(tmp_path)
    (tmp_path / "f").write_text("x\n")
    (tmp_path / "f").chmod(0o666)
    plan = Plan(check_mode=False)
    plan.file(host.owned_file("/f"), "x\n", mode=0o644)
    plan.run()
    assert [(one.path, one.before, one.after) for one in plan.differences] == [("/f (mode)", "0666", "0644")]
    assert host.owned_file("/f").mode == 0o644


def test_undo_of_a_file_brings_back_content_mode_and_absence(tmp_path):
    host = Host(tmp_path)
    (tmp_path / "old").write_text("old\n")
    (tmp_path / "old").chmod(0o640)
    plan = Plan(check_mode=False)
    plan.file(host.owned_file("/old"), "new\n")
    plan.file(host.owned_file("/new"), "new\n")

    def fail():
        raise HostError("later step failed")

    with pytest.raises(HostError, match="later step failed"):
        plan.run(verify=fail)
    assert (tmp_path / "old").read_text() == "old\n"
    assert host.owned_file("/old").mode == 0o640
    assert not (tmp_path / "new").exists()
