# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The version that a source tree gives, on the control node."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence

from ansible_collections.hft.ops.plugins.module_utils._engine_archive import pack
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

PROGRAM = "hft_system"
EXCLUDE = (".*", "build", "build-*", "__pycache__")


def source_id(source: str, cmake_options: Sequence[str], exclude: Sequence[str]) -> str:
    """First 8 hex digits of the sha256 of the source, and of the options where there are any."""
    digest = pack(source, "source", None, exclude)
    if cmake_options:
        digest = hashlib.sha256("\0".join((digest, *cmake_options)).encode()).hexdigest()
    return digest[:8]


def version(source: str, cmake_options: Sequence[str] = (), exclude: Sequence[str] = EXCLUDE) -> str:
    """CMake's project version, +, the source's id."""
    lists = os.path.join(source, "CMakeLists.txt")
    try:
        with open(lists, encoding="utf-8") as text:
            project = re.search(rf"project\s*\(\s*{PROGRAM}\s+VERSION\s+([0-9.]+)", text.read(), re.IGNORECASE)
    except OSError as missing:
        raise HostError(f"engine source {source}: {lists} cannot be read ({missing.strerror}); "
                        f"name the directory that holds the engine's CMakeLists.txt") from missing
    if project is None:
        raise HostError(f"{lists}: expected project({PROGRAM} VERSION x.y.z …)")
    return f"{project.group(1)}+{source_id(source, cmake_options, exclude)}"
