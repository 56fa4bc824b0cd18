# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host
from ansible_collections.hft.ops.plugins.modules.boot_info import read

_NAMES = os.uname_result(("Linux", "h", "6.12.1-rt-amd64", "#1 SMP PREEMPT_RT", "x86_64"))
_TRACKING = "D8EF2300,216.239.35.0,2,1700000000.1,{offset},0.1,0.1,1,0.1,0.1,0.1,0.1,64,{leap}\n"


@pytest.fixture
def host(tmp_path):
    for path, text in {"proc/sys/kernel/random/boot_id": "abc\n", "proc/cmdline": "ro quiet isolcpus=2-3\n", "proc/uptime": "12.34 5.6\n",
                       "sys/kernel/realtime": "1\n"}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Host(tmp_path)


def _said(virtualization="none\n", tracking=None):
    def run(argv):
        if argv[0] == "systemd-detect-virt":
            return (1 if virtualization == "none\n" else 0), virtualization, ""
        if tracking is None:
            raise FileNotFoundError(argv[0])
        return 0, tracking, ""
    return run


def test_kernel_and_boot_are_read(host):
    assert read(host, _said("kvm\n"), _NAMES) == {
        "boot_id": "abc", "command_line": "ro quiet isolcpus=2-3", "kernel": "6.12.1-rt-amd64", "kernel_version": "#1 SMP PREEMPT_RT",
        "realtime": True, "uptime_s": 12, "virtualization": "kvm", "clock_offset_s": None}


def test_kernel_without_the_file_is_not_realtime(host):
    host.path("/sys/kernel/realtime").unlink()
    assert read(host, _said(), _NAMES)["realtime"] is False
    assert read(host, _said(), _NAMES)["virtualization"] == "none"


@pytest.mark.parametrize(("tracking", "offset"), [
    (_TRACKING.format(offset="-0.000012", leap="Normal"), -0.000012),
    (_TRACKING.format(offset="0.5", leap="Not synchronised"), None),
    ("506 Cannot talk to daemon\n", None),
])
def test_clock_that_follows_nothing_has_no_offset(host, tracking, offset):
    assert read(host, _said(tracking=tracking), _NAMES)["clock_offset_s"] == offset
