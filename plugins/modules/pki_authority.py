#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pki_authority
short_description: An internal certificate authority, and certificates signed by it
version_added: 0.1.0
description:
  - Keeps the key and the certificate of an authority in one directory, makes them when they are not there, and signs the requests
    that M(hft.ops.pki_certificates) returned.
  - What a certificate may be used for, its names and its life are said here and in O(requests), never by the request itself.
  - The serial number is drawn at random, so hosts may be served at the same time and the directory holds nothing but the authority.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  directory:
    description: Directory of C(authority.key) (mode 0600) and C(authority.crt). Its parent must exist.
    type: path
    required: true
  create:
    description: >-
      Whether an authority that is not there is made. V(false) is for a call that only signs: without an authority it is an error, and in
      check mode taken to be made by the call before.
    type: bool
    default: true
  common_name:
    description: Name of an authority that is made; an existing one keeps its own.
    type: str
    default: hft.ops internal authority
  days:
    description: Life of an authority that is made, in days.
    type: int
    default: 3650
  passphrase:
    description: Passphrase of the authority's key; the key is not encrypted without one. It must fit a key that exists.
    type: str
  requests:
    description: Requests to sign, as M(hft.ops.pki_certificates) returned them in RV(hft.ops.pki_certificates#module:requests).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the certificate.
        type: str
        required: true
      request:
        description: The request (PEM); empty in check mode, where the key may not be there yet.
        type: str
        required: true
      names:
        description: Host names and addresses that go into the certificate.
        type: list
        elements: str
        required: true
      days:
        description: Life of the certificate, in days; cut to that of the authority.
        type: int
        default: 365
notes:
  - There is no list of revoked certificates. What must no longer be trusted goes by a new authority; keep the life of certificates short.
requirements:
  - openssl on the host that keeps the authority
seealso:
  - module: hft.ops.pki_certificates
"""

EXAMPLES = r"""
- name: Authority on the control node
  hft.ops.pki_authority:
    directory: /srv/pki
    passphrase: "{{ vault_pki_passphrase }}"
    requests: "{{ due.requests }}"
  delegate_to: localhost
  become: false
  register: signed
"""

RETURN = r"""
authority:
  description: Certificate of the authority (PEM); empty in check mode when it is still to be made.
  returned: success
  type: str
not_after:
  description: When the authority ends; empty when it is still to be made.
  returned: success
  type: str
  sample: '2036-01-31T12:00:00Z'
issued:
  description: Signed certificates (PEM) by name; empty texts in check mode.
  returned: success
  type: dict
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._openssl import DAY_S, OpenSSL, iso, subject_names
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan


def main() -> None:
    request = {
        "name": {"type": "str", "required": True}, "request": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str", "required": True}, "days": {"type": "int", "default": 365},
    }
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "create": {"type": "bool", "default": True},
            "common_name": {"type": "str", "default": "hft.ops internal authority"},
            "days": {"type": "int", "default": 3650},
            "passphrase": {"type": "str", "no_log": True},
            "requests": {"type": "list", "elements": "dict", "default": [], "options": request},
        },
        supports_check_mode=True,
    )
    given = module.params
    plan = Plan(module.check_mode)
    try:
        result = apply(given, Host(), OpenSSL(module.run_command, given["passphrase"] or ""), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**result, **plan.result())


def apply(given: dict[str, Any], host: Host, openssl: OpenSSL, plan: Plan) -> dict[str, Any]:
    """Plan the authority and, outside check mode, make it and sign; returns the module's own result keys."""
    key, certificate = (f"{given['directory']}/authority.{kind}" for kind in ("key", "crt"))
    _refuse(given, host)
    if host.read(key) is None:
        if host.read(certificate) is not None:
            raise HostError(f"{key}: is not there, its certificate {certificate} is; bring the key back, or move the certificate away "
                            "for a new authority, which replaces every certificate")
        if not given["create"] and not plan.check_mode:
            raise HostError(f"{key}: is not there; make the authority first (create: true)")
        if given["create"]:
            plan.change(Difference("persisted", key, None, "a new key", secret=True),
                        Difference("persisted", certificate, None, given["common_name"]),
                        write=lambda: _make(given, host, openssl, key, certificate))
    elif host.read(certificate) is None:
        raise HostError(f"{certificate}: is not there, its key {key} is; bring the certificate back")
    plan.run()
    authority = host.read(certificate) or ""
    if not authority:
        return {"authority": "", "not_after": "", "issued": {one["name"]: "" for one in given["requests"]}}
    ends = openssl.read(authority).not_after
    left = int((ends - time.time()) // DAY_S)
    if left < 1:
        raise HostError(f"{certificate}: the authority ended {iso(ends)}; move the directory away for a new one, "
                        "which replaces every certificate")
    files = str(host.path(certificate)), str(host.path(key))
    issued = {one["name"]: "" if plan.check_mode else
              openssl.sign(one["request"], subject_names(one["names"]), *files, min(one["days"], left)) for one in given["requests"]}
    return {"authority": authority, "not_after": iso(ends), "issued": issued}


def _refuse(given: dict[str, Any], host: Host) -> None:
    parent = os.path.dirname(given["directory"].rstrip("/"))
    if not host.path(parent or "/").is_dir():
        raise HostError(f"directory {given['directory']}: its parent {parent} does not exist on the host of the authority; "
                        "make it, or give another")
    if given["passphrase"] is not None and 0 < len(given["passphrase"]) < 12:
        raise HostError("passphrase: shorter than 12 characters")
    for one in given["requests"]:
        subject_names(one["names"])
        if one["days"] < 1:
            raise HostError(f"requests: {one['name']}: days {one['days']}; expected 1 or more")


def _make(given: dict[str, Any], host: Host, openssl: OpenSSL, key: str, certificate: str) -> None:
    folder = host.path(given["directory"])
    folder.mkdir(mode=0o700, exist_ok=True)
    host.owned_file(key).replace(openssl.new_key(), 0o600)
    try:
        host.owned_file(certificate).replace(openssl.self_sign(str(host.path(key)), given["common_name"], given["days"]), 0o644)
    except HostError:
        host.path(key).unlink()
        raise


if __name__ == "__main__":
    main()
