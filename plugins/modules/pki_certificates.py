#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pki_certificates
short_description: Keys and certificates of a host, made and renewed in one call
version_added: 0.1.0
description:
  - States the certificates of a host. Called without O(issued) it makes missing keys, on the host and never anywhere else, and returns a
    request for every certificate that is due; M(hft.ops.pki_authority) signs them; called again with O(issued) it puts them in place.
  - A certificate is due when it is not there, ends within O(renew_days), has another name, does not belong to its key or was not signed
    by O(authority). A renewal keeps the key; a removed key is made anew, with its certificate.
  - A certificate is put in place only if it fits its key and the authority signed it. Then running units that use it are reloaded.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  certificates:
    description: The certificates, each with files of its own.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What this certificate is called here.
        type: str
        required: true
      common_name:
        description: Its subject. Programs that tell clients apart by their name take it from there.
        type: str
        required: true
      names:
        description: Host names and addresses that it is good for. O(certificates[].common_name) is always one of them.
        type: list
        elements: str
        default: []
      certificate:
        description: File of the certificate.
        type: path
        required: true
      key:
        description: File of the private key.
        type: path
        required: true
      authority:
        description: File that takes the certificate of the authority.
        type: path
        required: true
      owner:
        description: User that owns the files.
        type: str
        default: root
      group:
        description: Group of the files.
        type: str
        default: root
      key_mode:
        description: Permission bits of the key, as an octal string.
        type: str
        default: '0600'
      days:
        description: Life of the certificate, in days.
        type: int
        default: 365
      reload_units:
        description: Units that read it; those that run are reloaded, or restarted where they know no reload, after it was replaced.
        type: list
        elements: str
        default: []
  authority:
    description: Certificate of the authority (PEM). Empty in check mode when it is still to be made.
    type: str
    required: true
  issued:
    description: Signed certificates by name, from M(hft.ops.pki_authority). Not given at the first call.
    type: dict
  renew_days:
    description: A certificate that ends within so many days is due.
    type: int
    default: 30
notes:
  - The first call plans keys, the second certificates, so that each difference is told once.
requirements:
  - openssl on the host
seealso:
  - module: hft.ops.pki_authority
"""

EXAMPLES = r"""
- name: Make keys and see which certificates are due
  hft.ops.pki_certificates: &wanted
    certificates:
      - name: pgbackrest
        common_name: hft-db-01
        names: [10.0.0.21]
        certificate: /etc/pgbackrest/tls/host.crt
        key: /etc/pgbackrest/tls/host.key
        authority: /etc/pgbackrest/tls/authority.crt
        owner: postgres
        group: postgres
        reload_units: [pgbackrest.service]
    authority: "{{ signed.authority }}"
  register: due

- name: Install them
  hft.ops.pki_certificates:
    <<: *wanted
    issued: "{{ signed.issued }}"
"""

RETURN = r"""
requests:
  description: One for every certificate that is due, for M(hft.ops.pki_authority); none at the second call.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the certificate., type: str}
    request: {description: The request (PEM); empty in check mode when the key is still to be made., type: str}
    names: {description: Names and addresses., type: list, elements: str}
    days: {description: Life in days., type: int}
    reason: {description: Why it is due., type: str}
certificates:
  description: How each certificate stands when the module ended.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the certificate., type: str}
    path: {description: Its file., type: str}
    not_after: {description: When it ends; empty without one., type: str}
    days_left: {description: Days until then; negative when it has ended., type: float}
    due: {description: Why it is due; empty when it is not., type: str}
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._openssl import OpenSSL, iso, subject_names
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl

_KEY_HEADER = "-----BEGIN"


class Wanted:
    """One certificate of this host: what is wanted and what is there."""

    def __init__(self, given: dict[str, Any], authority: str, host: Host, openssl: OpenSSL) -> None:
        self.given = given
        self.name = given["name"]
        self.names = subject_names([given["common_name"], *given["names"]])
        self.authority = authority
        self.host = host
        self.openssl = openssl

    def has_key(self) -> bool:
        return (self.host.read(self.given["key"]) or "").startswith(_KEY_HEADER)

    def public_key(self) -> str:
        return self.openssl.public_key(str(self.host.path(self.given["key"])))

    def due(self, renew_days: int, now: float) -> str:
        """Why a certificate must be signed; empty when the one there is good."""
        text = self.host.read(self.given["certificate"])
        if not text or not self.has_key():
            return "not there"
        try:
            found = self.openssl.read(text)
        except HostError:
            return "not a certificate"
        if self.openssl.public_key_of(text) != self.public_key():
            return "another key's"
        if not self.authority or not self.openssl.signed_by(text, self.authority):
            return "another authority's"
        if (found.common_name, found.names) != (self.given["common_name"], self.names):
            return f"for {', '.join(found.names) or found.common_name}"
        left = found.days_left(now)
        return f"ends in {left} days" if left < renew_days else ""

    def plan_key(self, plan: Plan) -> None:
        """A key that is missing, and mode and owner of one that is there."""
        file = self.host.owned_file(self.given["key"])
        if self.has_key():
            plan.file(file, file.before, int(self.given["key_mode"], 8), self.given["owner"], self.given["group"], secret=True)
            return
        if file.before is not None:
            raise HostError(f"{file.path}: holds something else than a private key; move it away to let one be made")
        place = (int(self.given["key_mode"], 8), self.given["owner"], self.given["group"])
        plan.change(Difference("persisted", file.path, None, "a new key", secret=True),
                    write=lambda: file.replace(self.openssl.new_key(), *place),
                    undo=lambda: file.replace(None))

    def request(self, why: str) -> dict[str, Any]:
        request = ""
        if self.has_key():
            request = self.openssl.request(str(self.host.path(self.given["key"])), self.given["common_name"], self.names)
        names = [name.split(":", 1)[1] for name in self.names]
        return {"name": self.name, "request": request, "names": names, "days": self.given["days"], "reason": why}

    def plan_certificate(self, plan: Plan, issued: str | None) -> bool:
        """The authority's certificate, and the issued one where one was issued; whether a file differs."""
        place = (0o644, self.given["owner"], self.given["group"])
        differs = plan.file(self.host.owned_file(self.given["authority"]), self.authority or "(to be made)\n", *place)
        file = self.host.owned_file(self.given["certificate"])
        if issued is None:
            return plan.file(file, file.before, *place) or differs if file.before is not None else differs
        if issued and not plan.check_mode:
            self._refuse_a_wrong_one(issued)
        return plan.file(file, issued or "(to be signed)\n", *place) or differs

    def _refuse_a_wrong_one(self, issued: str) -> None:
        if self.openssl.public_key_of(issued) != self.public_key():
            raise HostError(f"issued {self.name}: belongs to another key than {self.given['key']}; sign the request of this host")
        if not self.openssl.signed_by(issued, self.authority):
            raise HostError(f"issued {self.name}: was not signed by the given authority; give the authority that signed it")

    def standing(self, renew_days: int, now: float) -> dict[str, Any]:
        text = self.host.read(self.given["certificate"])
        due = self.due(renew_days, now)
        if not text or due == "not a certificate":
            return {"name": self.name, "path": self.given["certificate"], "not_after": "", "days_left": 0.0, "due": due}
        found = self.openssl.read(text)
        return {"name": self.name, "path": self.given["certificate"], "not_after": iso(found.not_after), "days_left": found.days_left(now),
                "due": due}


def main() -> None:
    certificate = {
        "name": {"type": "str", "required": True}, "common_name": {"type": "str", "required": True},
        "names": {"type": "list", "elements": "str", "default": []},
        "certificate": {"type": "path", "required": True}, "key": {"type": "path", "required": True, "no_log": False},
        "authority": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "root"}, "group": {"type": "str", "default": "root"},
        "key_mode": {"type": "str", "default": "0600", "no_log": False}, "days": {"type": "int", "default": 365},
        "reload_units": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": certificate},
            "authority": {"type": "str", "required": True},
            "issued": {"type": "dict"},
            "renew_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode)
    host = Host()
    openssl = OpenSSL(module.run_command)
    try:
        refuse_bad_input(module.params["certificates"])
        wanted = [Wanted(one, module.params["authority"], host, openssl) for one in module.params["certificates"]]
        result = apply(wanted, module.params, Systemctl(module.run_command), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**result, **plan.result())


def apply(wanted: list[Wanted], params: dict[str, Any], systemctl: Systemctl, plan: Plan) -> dict[str, Any]:
    """First call: keys and requests; second call (issued given): certificates and the units that use them."""
    now = time.time()
    requests = []
    if params["issued"] is None:
        for one in wanted:
            one.plan_key(plan)
        due = {one.name: one.due(params["renew_days"], now) for one in wanted}
        plan.run()
        requests = [one.request(due[one.name]) for one in wanted if due[one.name]]
    else:
        unknown = sorted(set(params["issued"]) - {one.name for one in wanted})
        if unknown:
            raise HostError(f"issued: {unknown[0]}: no certificate of that name is wanted here")
        replaced = [one for one in wanted if one.plan_certificate(plan, params["issued"].get(one.name))]
        _plan_reloads(sorted({unit for one in replaced for unit in one.given["reload_units"]}), systemctl, plan)

        def verify() -> None:
            left = [f"{one.given['certificate']}: {why}" for one in wanted if (why := one.due(params["renew_days"], now))]
            if left:
                raise HostError(f"{'; '.join(left)}: still due after it was put in place")

        plan.run(verify)
    return {"requests": requests, "certificates": [one.standing(params["renew_days"], now) for one in wanted]}


def _plan_reloads(names: list[str], systemctl: Systemctl, plan: Plan) -> None:
    for unit in systemctl.units(names).values():
        if unit.running:
            plan.change(Difference("live", unit.name, "with the former certificate", "with the new one"),
                        write=lambda unit=unit: systemctl.do("reload-or-restart", [unit.name]))


def refuse_bad_input(certificates: list[dict[str, Any]]) -> None:
    """All that is wrong with the list, at once."""
    problems = []
    paths = [one[kind] for one in certificates for kind in ("certificate", "key")]
    problems += [f"certificates: {path}: written by two of them" for path in sorted({path for path in paths if paths.count(path) > 1})]
    names = [one["name"] for one in certificates]
    problems += [f"certificates: {name}: listed twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for one in certificates:
        if one["days"] < 1:
            problems.append(f"certificates: {one['name']}: days {one['days']}; expected 1 or more")
        if not one["key_mode"].isdigit() or int(one["key_mode"], 8) & 0o007:
            problems.append(f"certificates: {one['name']}: key_mode {one['key_mode']}; expected octal digits that leave others out, "
                            "such as '0600'")
    if problems:
        raise HostError("; ".join(problems))


if __name__ == "__main__":
    main()
