# SPDX-License-Identifier: GPL-3.0-or-later
"""What a virtual host is, as fingerprints: /etc, /boot, /usr/local, unit states and every kernel parameter; and what of it may differ."""

from __future__ import annotations

import re

from lab.vm.guest import Guest

# Half an answer would be taken for a difference, so what fails ends it; a busy guest's systemd takes its time.
_ASKED = ("set -e -o pipefail; find /etc /boot /usr/local -type f -exec sha256sum {} + | awk '{print $2, $1}'; "
          "SYSTEMD_BUS_TIMEOUT=10min systemctl list-unit-files --no-legend | awk '{print $1, $2}'; "
          "{ sysctl --all 2> /dev/null || true; } | sed 's/ = / /'")
# What an undo leaves, and why.
LEFT = {
    r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?": "accounts stay",
    r"/etc/(chrony|logrotate\.d|init\.d|ppp|dhcp|NetworkManager)/.*|/etc/default/chrony": "files of a package that was removed",
    r"/boot/grub/grub\.cfg\.new": "left by grub-mkconfig when it fails",
    r"/etc/ld\.so\.cache|/boot/initrd\.img.*|/boot/grub/grubenv": "written anew by their own tools",
    r"(fs\.(dentry-state|file-nr|quota\.|inode-(nr|state))|kernel\.(ns_last_pid|random|pty\.nr|sched_domain))\S*": "counted by the kernel",
    r"net\.\S*(netfilter|tcp_mem|udp_mem|ipfrag|mtu_expires)\S*|vm\.(admin|user)_reserve_kbytes": "measured by the kernel at its start",
    r"net\.core\.netdev_rss_key": "drawn by the kernel at its start",
}


def state(guest: Guest) -> dict[str, str]:
    lines = (line.partition(" ") for line in guest.shell(_ASKED).splitlines())
    return {name: value for name, _space, value in lines}


def differing(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple]:
    """What differs and is not on the list of what is left."""
    found = {name: (before.get(name), after.get(name)) for name in sorted({*before, *after}) if before.get(name) != after.get(name)}
    return {name: values for name, values in found.items() if not any(re.fullmatch(pattern, name) for pattern in LEFT)}
