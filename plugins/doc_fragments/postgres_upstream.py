# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The server that this host is to follow: UPSTREAM_ARGUMENTS of module_utils/_postgres_following.py."""

    DOCUMENTATION = r"""
options:
  primary_host:
    description: Name or address of the server to follow.
    type: str
    required: true
  primary_port:
    description: Its port.
    type: int
    default: 5432
  user:
    description: Role with the right to replicate.
    type: str
    required: true
  password:
    description: Password of O(user).
    type: str
    required: true
  passfile:
    description: File that keeps the password on this host (mode 0600, owner postgres).
    type: path
    default: /var/lib/postgresql/replication.pgpass
  slot:
    description: Physical slot on the primary; it must exist there.
    type: str
    required: true
  application_name:
    description: Name under which this standby appears on the primary and in C(synchronous_standby_names).
    type: str
    required: true
  sslmode:
    description: Use of TLS towards the primary, in libpq's words.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: prefer
  sslrootcert:
    description: Certificate of the authority that must have signed the primary's, for O(sslmode=verify-ca) and O(sslmode=verify-full).
    type: path
    default: ""
"""
