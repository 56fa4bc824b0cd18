# SPDX-License-Identifier: GPL-3.0-or-later
"""Where virtual hosts keep things: disks with what was built, running guests with the lab's state; both git-ignored."""

from __future__ import annotations

from lab import paths

DISKS = paths.BUILD / "vm"
STATE = paths.STATE / "vm"
KNOWN_HOSTS = paths.STATE / "ssh" / "known_hosts"
