# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._sysctl_files import assignments, dotted_name, proc_name, read_after


@pytest.mark.parametrize(("key", "proc"), [
    ("vm.swappiness", "vm/swappiness"),
    ("vm/swappiness", "vm/swappiness"),
    ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
    ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
])
def test_both_spellings_name_one_file(key, proc):
    assert proc_name(key) == proc
    assert proc_name(dotted_name(proc)) == proc


@pytest.mark.parametrize("key", [
    "", "vm", "vm..swappiness", "../../etc/passwd", "vm/../kernel/x", "net.ipv4.conf.*.rp_filter", "vm.a b", "/vm",
])
def test_what_is_no_key_is_refused(key):
    assert proc_name(key) is None


def test_comments_patterns_and_exclusions_set_nothing():
    text = "# vm.a = 1\n; vm.b = 1\n-vm.c = 3\nvm.d=4 5\n-net.ipv4.conf.*.x\nnet.ipv4.conf.*.y = 1\nvm.d = 6\n\nbroken\n"
    assert assignments(text) == {"vm/c": "3", "vm/d": "6"}


def test_files_are_read_by_name_and_the_first_directory_wins(captured):
    host = captured("debian_13")
    host.write("/usr/lib/sysctl.d/95-x.conf", "vm.swappiness = 1\n")
    host.write("/etc/sysctl.d/95-x.conf", "vm.swappiness = 2\n")
    host.write("/run/sysctl.d/99-z.conf", "vm.swappiness = 3\n")
    host.write("/etc/sysctl.d/99-z.conf.bak", "vm.swappiness = 4\n")
    assert list(read_after(host, "/etc/sysctl.d/90-hft.conf")) == [
        ("/etc/sysctl.d/95-x.conf", {"vm/swappiness": "2"}),
        ("/run/sysctl.d/99-z.conf", {"vm/swappiness": "3"}),
    ]
