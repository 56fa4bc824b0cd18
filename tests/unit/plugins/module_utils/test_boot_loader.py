# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from fnmatch import fnmatch

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _hugepages as hugepages
from ansible_collections.hft.ops.plugins.module_utils._boot_loader import boot_loader
from ansible_collections.hft.ops.plugins.module_utils._cmdline import apply
from ansible_collections.hft.ops.plugins.module_utils._grub_menu import Menu
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import line_of, parsed
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules import boot_kernel

_BOOTED = "root=/dev/vda1 ro quiet isolcpus=1"
_STOCK, _RT = "5.14.0-503.el9.x86_64", "5.14.0-503.el9.x86_64+rt"


class GrubbyHost:
    """grubby with one command line for all kernels, as RHEL 9 shows them."""

    def __init__(self, host) -> None:
        self.host, self.line, self.fails, self.default = host, parsed("ro quiet isolcpus=1"), False, _STOCK
        host.write("/usr/sbin/grubby", "")
        host.write("/proc/cmdline", f"BOOT_IMAGE=(hd0,gpt2)/vmlinuz-5.14 {_BOOTED}\n")

    @property
    def persisted(self) -> str:
        return line_of(self.line)

    def __call__(self, argv):
        if argv[1].startswith("--info="):
            shown = [self.default] if argv[1] == "--info=DEFAULT" else [_STOCK, _RT, "0-rescue-4c2a"]
            return 0, "".join(f'index={number}\nkernel="/boot/vmlinuz-{release}"\nargs="{self.persisted}"\nroot="/dev/vda1"\n'
                              f'initrd="/boot/initramfs-{release}.img"\n' for number, release in enumerate(shown)), ""
        if self.fails:
            return 1, "", "grubby fatal error: unable to find a suitable template\n"
        for word in argv[1:]:
            key, _sign, value = word.partition("=")
            if key == "--remove-args":
                self.line = [one for one in self.line if one not in parsed(value)]
            if key == "--args":
                self.line += parsed(value)
            if key == "--set-default":
                self.default = value.replace("/boot/vmlinuz-", "")
        return 0, "", ""


class SystemdBootHost:
    """bootctl and kernel-install; an entry is written from /etc/kernel/cmdline. fails: the firmware has another default, it outranks."""

    def __init__(self, host) -> None:
        self.host, self.persisted, self.fails = host, _BOOTED, False
        host.write("/boot/loader/loader.conf", f"default\t{_STOCK}*\ntimeout 1")
        host.write("/usr/lib/modules/6.12/vmlinuz", "")
        host.write("/proc/cmdline", f"initrd=\\6.12\\initrd {_BOOTED}\n")

    @property
    def default(self) -> str:
        lines = (self.host.read("/boot/loader/loader.conf") or "").splitlines()
        patterns = [line.split()[1] for line in lines if line.startswith("default") and not self.fails]
        return next((release for release in (_STOCK, _RT) for pattern in patterns if fnmatch(f"{release}.conf", pattern)), _STOCK)

    def __call__(self, argv):
        if argv[:2] == ["bootctl", "list"]:
            return 0, json.dumps([{"id": f"{release}.conf", "version": release, "isDefault": release == self.default,
                                   "options": self.persisted} for release in (_STOCK, _RT)]), ""
        if self.fails:
            return 1, "", "No space left on device\n"
        self.persisted = (self.host.read("/etc/kernel/cmdline") or _BOOTED).strip()
        return 0, "", ""


@pytest.fixture(params=[GrubbyHost, SystemdBootHost])
def boots(request, numa_host):
    return request.param(numa_host)


def _apply(boots, *given, check_mode=False, state="present", name="cpu_isolation"):
    plan = Plan(check_mode)
    arguments = [{"name": one.name, "value": one.value, "action": "replace", "needs": None} for one in parsed(" ".join(given))]
    params = {"name": name, "arguments": arguments, "state": state, "kernel_release": None, "fallback": True, "retry": False}
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


def test_two_owners_do_not_change_places(boots):
    given = {"isolation": "isolcpus=2-3", "pages": "hugepages=64"}
    for owner, words in given.items():
        assert _apply(boots, words, name=owner)["changed"]
    assert not any(_apply(boots, words, name=owner)["changed"] for owner, words in given.items())


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


def _kernel(boots, pattern, check_mode=False, state="present"):
    boots.host.write("/proc/sys/kernel/osrelease", f"{_STOCK}\n")
    plan = Plan(check_mode)
    result = boot_kernel.apply({"pattern": pattern, "state": state, "fallback": True, "retry": False}, boots.host, boots, plan)
    return {**result, **plan.result()}


def test_another_kernel_becomes_the_default_and_gives_way_at_the_end(boots):
    planned = _kernel(boots, r".*\+rt", check_mode=True)
    assert (boots.default, planned["installed"]) == (_STOCK, [_RT, _STOCK])
    result = _kernel(boots, r".*\+rt")
    assert result["differences"] == planned["differences"]
    assert (boots.default, _status(result)) == (_RT, {"kernel": "pending_reboot"})
    assert result["reboot_reasons"] == [f"kernel: {_STOCK} runs"]
    assert not _kernel(boots, r".*\+rt")["changed"]
    _kernel(boots, None, state="absent")
    assert boots.default == _STOCK
    assert not _kernel(boots, None, state="absent")["changed"]
    assert boots.host.names("/var/lib/hft_ops") in ([], ["kernel_cmdline"])


def test_a_default_that_the_loader_refuses_leaves_the_old_one(boots):
    boots.fails, before = True, boots.host.everything()
    with pytest.raises(HostError, match=r"grubby --set-default=.*unable to find|\+rt: was made the default, but .* bootctl set-default"):
        _kernel(boots, r".*\+rt")
    assert boots.default == _STOCK
    assert set(boots.host.everything()) - set(before) <= {"proc/sys/kernel/osrelease"}


def test_pages_of_1_gib_are_asked_for_on_the_line_of_every_loader(boots, systemd):
    """By node too; the kernel fills them while it starts, before its memory is fragmented."""
    plan = Plan(False)
    params = {"pools": [{"size": "1G", "count": 1, "node": 0}], "allocate": "boot", "on_shortage": "fail", "memory_max_percent": 75,
              "mounts": [], "fallback": True, "state": "present", "guard": {"service": "hft_system.service"}}
    result = hugepages.apply(params, boots.host, lambda argv, **_more: systemd(argv) if "systemctl" in argv[0] else boots(argv), plan)
    assert boots.persisted.endswith("hugepagesz=1G hugepages=0:1")
    assert _status(result)["hugepages 1G node 0"] == "pending_reboot"


def test_the_loader_that_started_this_host_counts(numa_host):
    for grub in ("/usr/sbin/update-grub", "/boot/grub/grub.cfg"):
        numa_host.write(grub, "menuentry 'x' --id x {\n linux /boot/vmlinuz-1 ro\n}\n")
    boots = SystemdBootHost(numa_host)
    assert boot_loader(numa_host, boots)[0].name == "systemd-boot", "a real-time kernel shows no EFI variable"
    numa_host.write("/proc/cmdline", f"BOOT_IMAGE=/vmlinuz-6.12 {_BOOTED}\n")
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
