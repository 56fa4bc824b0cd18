# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.hft.ops.plugins.module_utils._boot_loader import boot_loader
from ansible_collections.hft.ops.plugins.module_utils._cmdline import apply
from ansible_collections.hft.ops.plugins.module_utils._grub_menu import Menu
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import line_of, parsed
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan

_BOOTED = "root=/dev/vda1 ro quiet isolcpus=1"


class GrubbyHost:
    """grubby with one command line for all kernels."""

    def __init__(self, host) -> None:
        self.host, self.line, self.fails = host, parsed("ro quiet isolcpus=1"), False
        host.write("/usr/sbin/grubby", "")
        host.write("/proc/cmdline", f"BOOT_IMAGE=(hd0,gpt2)/vmlinuz-5.14 {_BOOTED}\n")

    @property
    def persisted(self) -> str:
        return line_of(self.line)

    def __call__(self, argv):
        if argv[1] == "--info=DEFAULT":
            return 0, f'index=0\nkernel="/boot/vmlinuz-5.14"\nargs="{self.persisted}"\nroot="/dev/vda1"\ninitrd="/boot/initramfs"\n', ""
        if self.fails:
            return 1, "", "grubby fatal error: unable to find a suitable template\n"
        for word in argv[1:]:
            key, _sign, value = word.partition("=")
            if key == "--remove-args":
                self.line = [one for one in self.line if one not in parsed(value)]
            if key == "--args":
                self.line += parsed(value)
        return 0, "", ""


class SystemdBootHost:
    """bootctl and kernel-install; an entry is written from /etc/kernel/cmdline."""

    def __init__(self, host) -> None:
        self.host, self.persisted, self.fails = host, _BOOTED, False
        host.write("/boot/loader/loader.conf", "timeout 1\n")
        host.write("/usr/lib/modules/6.12/vmlinuz", "")
        host.write("/proc/cmdline", f"initrd=\\6.12\\initrd {_BOOTED}\n")

    def __call__(self, argv):
        if argv[0] == "bootctl":
            return 0, json.dumps([{"id": "x.conf", "isDefault": True, "options": self.persisted}]), ""
        if self.fails:
            return 1, "", "No space left on device\n"
        self.persisted = (self.host.read("/etc/kernel/cmdline") or _BOOTED).strip()
        return 0, "", ""


@pytest.fixture(params=[GrubbyHost, SystemdBootHost])
def boots(request, numa_host):
    return request.param(numa_host)


def _apply(boots, *given, check_mode=False, state="present"):
    plan = Plan(check_mode)
    arguments = [{"name": one.name, "value": one.value, "action": "replace", "needs": None} for one in parsed(" ".join(given))]
    params = {"name": "cpu_isolation", "arguments": arguments, "state": state, "kernel_release": None, "fallback": True, "retry": False}
    return {**apply(params, boots.host, boots, plan), **plan.result()}


def _status(result):
    return {item["name"]: item["status"] for item in result["items"]}


def test_arguments_are_replaced_once_and_come_back_with_the_end(boots):
    result = _apply(boots, "isolcpus=2-3", "nohz_full=2-3")
    assert boots.persisted.endswith("ro quiet isolcpus=2-3 nohz_full=2-3")
    assert _status(result) == {"isolcpus": "pending_reboot", "nohz_full": "pending_reboot"}
    assert not _apply(boots, "isolcpus=2-3", "nohz_full=2-3")["changed"]
    _apply(boots, state="absent")
    assert parsed(boots.persisted)[-3:] == parsed("ro quiet isolcpus=1")
    assert boots.host.names("/var/lib/hft_ops/kernel_cmdline") == []
    assert not _apply(boots, state="absent")["changed"]


def test_check_mode_plans_and_writes_nothing(boots):
    before = (boots.host.everything(), boots.persisted)
    planned = _apply(boots, "nohz_full=2-3", check_mode=True)
    assert (boots.host.everything(), boots.persisted) == before
    assert _status(planned) == {"nohz_full": "drifted"}
    assert _apply(boots, "nohz_full=2-3")["differences"] == planned["differences"]


def test_what_fails_leaves_the_old_files(boots):
    before = boots.host.everything()
    boots.fails = True
    with pytest.raises(HostError, match=r"grubby --update-kernel=ALL: grubby fatal error|kernel-install add 6\.12: No space left"):
        _apply(boots, "nohz_full=2-3")
    assert boots.host.everything() == before


def test_the_loader_that_started_this_host_counts(numa_host):
    for grub in ("/usr/sbin/update-grub", "/boot/grub/grub.cfg"):
        numa_host.write(grub, "menuentry 'x' --id x {\n linux /boot/vmlinuz-1 ro\n}\n")
    boots = SystemdBootHost(numa_host)
    assert boot_loader(numa_host, boots)[0].name == "grub"
    info = numa_host.path("/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
    info.parent.mkdir(parents=True)
    info.write_bytes(b"\x06\x00\x00\x00" + "systemd-boot 257".encode("utf-16-le"))
    assert boot_loader(numa_host, boots)[0].name == "systemd-boot"


_MENU = """\
function x {
  true
}
set default="%s"
menuentry 'Top' --class a $menuentry_id_option 'top' {
\tlinux\t/vmlinuz-2 a
}
submenu 'More' $menuentry_id_option 'more' {
\tmenuentry 'Two' $menuentry_id_option 'two' {
\t\tlinux /vmlinuz-2 b
\t}
\tmenuentry "One" $menuentry_id_option 'one' {
\t\tlinux /vmlinuz-1 c
\t}
}
menuentry 'Firmware' $menuentry_id_option 'fw' {
\tfwsetup
}
"""


@pytest.mark.parametrize(("default", "saved", "arguments"), [
    ("0", None, "a"), ("1>1", None, "c"), ("more>one", None, "c"), ("More>Two", None, "b"), ("1", None, "b"), ("gone", None, "a"),
    ("${saved_entry}", "more>one", "c"), ("${saved_entry}", None, "a"), ("more>9", None, "b"),
])
def test_the_default_of_a_menu_is_what_grub_takes(default, saved, arguments):
    assert Menu(_MENU % default).default(saved).arguments == arguments


def test_every_entry_of_a_menu_has_its_path():
    assert [entry.path for entry in Menu(_MENU % 0).entries()] == ["top", "more>two", "more>one"]
