# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a host in each of its forms: nothing is left out, nothing of a host's words is taken for markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.host_knobs import host_knobs
from ansible_collections.hft.ops.plugins.filter.host_report import SCHEMA, host_report
from ansible_collections.hft.ops.plugins.plugin_utils._histogram import histogram
from ansible_collections.hft.ops.plugins.plugin_utils._json_schema import KEYWORDS


def _item(name: str, status: str, **layers: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "wanted": None, "persisted": None, "booted": None, "live": None, "reason": "", **layers}


_ITEMS = {
    "realtime_kernel": [_item("kernel", "pending_reboot", wanted="rt", booted="6.12-amd64", live="6.12-amd64", reason="boots next time")],
    "sysctl": [
        _item("vm.swappiness", "drifted", wanted=1, persisted=1, live=60, reason='is "60" in the kernel'),
        _item("kernel.nmi_watchdog", "applied", wanted=0, persisted=0, live=0),
        _item("kernel.numa_balancing", "not_applicable", wanted=0, reason="/proc/sys/kernel/numa_balancing: no such file"),
        _item("net.core.busy_poll", "not_applicable", wanted=50, reason="/proc/sys/kernel/numa_balancing: no such file"),
    ],
    "hugepages": [_item("2 MiB", "applied", wanted={"node0": 64, "node1": 64}, live=[64, 64])],
}


def _test(counts: dict[str, int]) -> dict[str, Any]:
    cpu = {"cpu": 2, "samples": sum(counts.values()), "min_us": 1, "p50_us": 1, "p99_us": 3, "p99_9_us": 40, "max_us": 900,
           "histogram": counts}
    return {"tool": "oslat", "status": "measured", "command": "oslat -D 1 <x>", "version": "2.6", "threshold_us": 20, "cpus": [cpu],
            "interrupts": [{"cpu": 2, "total": 107, "devices": 5, "sources": {}}]}


def _probe(counts: dict[str, int]) -> dict[str, Any]:
    return {"verdict": "no_claim", "verdict_reason": "virtualised: no claim (kvm)", "cpus": "2", "tests": [_test(counts)]}


@pytest.fixture
def report() -> dict[str, Any]:
    return {
        "schema": 1, "host": "hft-prod-01", "at": "2026-11-20T22:00:00Z", **host_knobs(_ITEMS),
        "reboot_reasons": ["kernel: boots next time"],
        "system": {"distribution": "Debian 13", "kernel": "6.12-amd64", "kernel_version": "#1 SMP <b>", "realtime": False,
                   "command_line": "ro quiet & <x>", "boot_id": "b", "virtualization": "kvm", "uptime_s": 5, "clock_offset_s": 0.0000012},
        "probe": {"before": _probe({"1": 90, "900": 1}), "after": _probe({"1": 900, "40": 3})}, "versions": {"ansible": "2.19"},
    }


class _Page(HTMLParser):
    """Names of the elements, and whether each was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(("items", "verdict"), [
    ({}, "as_wanted"),
    ({"a": [_item("x", "applied"), _item("y", "not_applicable")]}, "as_wanted"),
    ({"a": [_item("x", "pending_reboot")], "b": [_item("y", "applied")]}, "pending_reboot"),
    ({"a": [_item("x", "pending_reboot")], "b": [_item("y", "drifted")]}, "drifted"),
    ({"a": [_item("x", "failed")], "b": [_item("y", "drifted")]}, "failed"),
])
def test_verdict_is_the_worst_status(items, verdict):
    assert host_knobs(items)["verdict"] == verdict


def test_knobs_are_counted_and_keep_their_order():
    found = host_knobs(_ITEMS)
    assert [one["name"] for one in found["knobs"]][:3] == ["kernel", "vm.swappiness", "kernel.nmi_watchdog"]
    assert found["counts"] == {"failed": 0, "drifted": 1, "pending_reboot": 1, "applied": 2, "not_applicable": 2}


def test_item_of_unknown_status_is_refused():
    with pytest.raises(AnsibleFilterError, match="sysctl: expected items with name and status"):
        host_knobs({"sysctl": [{"name": "x", "status": "fine"}]})


def test_lines_show_every_layer_and_each_reason_once(report):
    found = host_report(report, "lines")
    text = "\n".join(one["text"] for one in found)
    assert text.splitlines()[0] == "hft-prod-01 · Debian 13 · 6.12-amd64 (not real-time) · kvm, no claim about latency"
    assert text.splitlines()[1] == "  1 DRIFTED · 1 needs a reboot · 2 as wanted · 2 not applicable"
    assert re.search(r"^  vm\.swappiness +1 +- +60 +DRIFTED$", text, re.MULTILINE)
    assert re.search(r"^  kernel +rt +6\.12-amd64 +6\.12-amd64 +needs a reboot$", text, re.MULTILINE)
    assert text.count("no such file") == 1
    assert "kernel.numa_balancing, net.core.busy_poll: /proc/sys" in text
    assert {one["status"] for one in found if "swappiness" in one["text"]} == {"drifted"}


def test_lines_fit_a_terminal_whatever_a_value_is(report):
    report["knobs"][0]["wanted"] = report["knobs"][0]["name"] = "x" * 500
    assert max(len(one["text"]) for one in host_report(report, "lines")) <= 140


def test_page_is_well_formed_and_escapes_what_the_host_said(report):
    text = host_report(report, "html")
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.seen.count("svg") == 1
    assert "script" not in page.seen
    assert "<b>" not in text
    assert "ro quiet &amp; &lt;x&gt;" in text
    for expected in ("vm.swappiness", "is &quot;60&quot; in the kernel", "oslat -D 1 &lt;x&gt;", "1.2 µs", "107", "node0 64, node1 64"):
        assert expected in text


def test_page_of_a_host_that_was_not_measured_has_no_picture(report):
    report["probe"] = {"before": None, "after": None}
    assert "<svg" not in host_report(report, "html")


def test_markdown_keeps_a_row_a_line(report):
    report["knobs"][1]["reason"] = "one | two\nthree"
    text = host_report(report, "markdown")
    assert r"one \| two three |" in text
    assert len([line for line in text.splitlines() if line.startswith("| sysctl |")]) == 4


def test_metrics_say_what_is_wrong_and_leave_out_what_is_not_applicable(report):
    text = host_report(report, "metrics")
    assert 'hft_host_knob_ok{role="sysctl",knob="vm.swappiness"} 0' in text
    assert 'hft_host_knob_ok{role="sysctl",knob="kernel.nmi_watchdog"} 1' in text
    assert 'hft_host_knob_ok{role="realtime_kernel",knob="kernel"} 0' in text
    assert "numa_balancing" not in text
    assert "hft_host_reboot_required 1\n" in text
    assert text == host_report({**report, "at": "2027-01-01T00:00:00Z"}, "metrics")


@pytest.mark.parametrize(("change", "place"), [
    ({"verdict": "fine"}, "report.verdict: expected one of"),
    ({"at": "yesterday"}, "report.at: expected a moment"),
    ({"more": 1}, "report: unknown key more"),
    ({"knobs": [{"role": "x"}]}, r"report\.knobs\[0\]: name is missing"),
])
def test_report_that_is_none_is_refused_with_the_place(report, change, place):
    with pytest.raises(AnsibleFilterError, match=place):
        host_report({**report, **change}, "html")


def test_unknown_form_is_refused(report):
    with pytest.raises(AnsibleFilterError, match="form pdf: expected one of html, markdown"):
        host_report(report, "pdf")


def test_schema_uses_only_what_is_understood():
    used = set(re.findall(r'"([$\w]+)":', SCHEMA.read_text())) & {"oneOf", "anyOf", "allOf", "maximum", "maxLength", "$ref", "format"}
    assert not used
    assert set(json.loads(SCHEMA.read_text())) <= KEYWORDS


def test_histogram_is_as_high_as_its_samples():
    picture = histogram("x", "x", {}, {1: 1, 8: 1000}, 20)
    heights = [float(height) for height in re.findall(r'<rect class="after"[^>]*height="([\d.]+)"', picture)]
    assert len(heights) == 2
    assert heights[0] < heights[1]
    assert 'class="limit"' in picture
    assert "before" not in picture


def test_histogram_of_one_sample_and_of_none_can_be_drawn():
    assert "<rect" in histogram("x", "x", {0: 1}, {}, None)
    assert "<rect" not in histogram("x", "x", {}, {}, None)
