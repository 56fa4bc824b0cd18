# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup that finds debug symbols by build id."""

from __future__ import annotations

DOCUMENTATION = r"""
name: debug_symbols
short_description: Which archive on the control node holds the debug symbols of a build id
version_added: 0.1.0
author: hft.ops contributors (@hft-ops)
description:
  - Looks into the archives of debug symbols that M(hft.ops.engine_build) leaves beside the releases.
  - An archive that cannot be read is warned of and passed over.
options:
  _terms:
    description: Build ids in lower case hex, as M(hft.ops.core_dumps_info) returns them.
    type: list
    elements: str
    required: true
  release_dir:
    description: Directory that keeps the releases, below the working directory when relative.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Where the symbols are
  ansible.builtin.debug:
    msg: "{{ lookup('hft.ops.debug_symbols', '5fd1c36f4b4a3c0d6e1b2f2a9c7e8d9f00112233', release_dir='build/releases') }}"
"""

RETURN = r"""
_raw:
  description: Path of the archive for each build id; empty where none has its symbols.
  type: list
  elements: str
"""

import os

from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.hft.ops.plugins.module_utils._debug_symbols import by_build_id


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[str], variables: dict | None = None, **kwargs: object) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        # Nothing is read where nothing is asked for, which is where nothing died.
        found = by_build_id(os.path.abspath(self.get_option("release_dir")), Display().warning) if terms else {}
        return [found.get(term, "") for term in terms]
