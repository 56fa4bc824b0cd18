#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_source
short_description: Name the release that a source tree gives, and tell whether it was built already
version_added: 0.1.0
description:
  - Reads the source on the control node and returns the version of the release that it gives.
  - The version is CMake's project version, C(+), and the first 8 digits of the sha256 of the source.
  - The sha256 is taken over an uncompressed tar stream of the files in the order of their names, without times and owners, so the same
    source has the same version on every control node.
  - A release that lies in O(release_dir) already is verified against the sha256 beside it.
  - Runs on the control node alone; the host of the task is not contacted. Changes nothing.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  source:
    description: Directory of the source on the control node, the one that holds C(CMakeLists.txt).
    type: path
    required: true
  release_dir:
    description: Directory on the control node that keeps the releases, below the working directory when relative.
    type: path
    required: true
  cmake_options:
    description: Options of the build beyond the usual; part of the version.
    type: list
    elements: str
    default: []
  exclude:
    description: Shell patterns of names that belong to the work and not to the source.
    type: list
    elements: str
    default: ['.*', build, 'build-*', __pycache__]
seealso:
  - module: hft.ops.engine_build
"""

EXAMPLES = r"""
- name: Release that this source gives
  hft.ops.engine_source:
    source: "{{ inventory_dir }}/../../engine"
    release_dir: build/releases
  register: wanted
"""

RETURN = r"""
version:
  description: Version of the release.
  returned: success
  type: str
  sample: 0.1.0+0a1b2c3d
archive:
  description: Where the release archive lies, or will lie, on the control node.
  returned: success
  type: str
present:
  description: Whether it is there already, verified.
  returned: success
  type: bool
debug_symbols:
  description: C(archive) is where the debug symbols lie, or will lie, C(sha256) what the file beside them says; empty when there is none.
  returned: success
  type: dict
sha256:
  description: sha256 of the archive; empty when it is not there.
  returned: success
  type: str
"""

# This documents the action plugin of the same name, which does all of it on the control node.
