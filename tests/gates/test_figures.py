# SPDX-License-Identifier: GPL-3.0-or-later
"""Measured figures on the pages are what the benches left, written by make figures and by no hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import figures
import pytest

from repository import ROOT

_KEPT = json.loads(figures.KEPT.read_text())
_LEFT = {"commit": "c0ffee", "started_at": "2026-01-01T00:00:00+00:00",
         "machine": {"cpu": "one", "cores": 2, "memory_gib": 4, "virt": "none", "kernel": "6.12"},
         "fleet": [{"hosts": 40, "took_s": 9.5}, {"hosts": 200, "took_s": 44.0}]}


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_a_page_says_what_is_kept(page: Path) -> None:
    text = page.read_text()
    assert text.count("<!-- figures: begin -->") == 1
    assert text == figures.with_figures(text, figures.table(_KEPT, figures.PAGES[page])), "run: make figures"


def test_what_is_kept_is_what_is_quoted() -> None:
    known = {bench.target: {figure.what for figure in bench.figures} for bench in figures.BENCHES}
    for target, run in _KEPT.items():
        assert set(run["figures"]) == known[target], f"run: make {target} figures"


def test_every_bench_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {bench.target for bench in figures.BENCHES} <= targets


def test_a_bench_that_ran_replaces_its_figures_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/regions.json").write_text(json.dumps(_LEFT))
    kept = figures.refreshed({"bench-regions": {"old": 1}, "bench-db": {"as": "it was"}}, tmp_path)
    assert kept["bench-db"] == {"as": "it was"}
    assert list(kept["bench-regions"]["figures"].values()) == ["44 s for 200 hosts"]
    assert "| 44 s for 200 hosts | `make bench-regions` |" in figures.table({"bench-regions": kept["bench-regions"]}, False)
    assert "44 s" not in figures.table({"bench-regions": kept["bench-regions"]}, True)


@pytest.mark.parametrize("left", ["", "{}", json.dumps({**_LEFT, "fleet": []})], ids=["empty", "nothing", "other"])
def test_a_result_without_the_figure_is_refused(tmp_path: Path, left: str) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/regions.json").write_text(left)
    with pytest.raises(ValueError, match=r"build/bench/regions.json: .*run that again"):
        figures.refreshed({}, tmp_path)
