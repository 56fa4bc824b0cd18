# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lookup of a secret by its name, wherever the inventory keeps its secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A secret by its name, from the store that one variable names
version_added: 0.1.0
author: hft.ops contributors (@hft-ops)
description:
  - Inventories name a secret the same way whatever keeps it; O(store), which is the variable C(secrets_store), says what does.
  - A secret that is not there, or is empty, ends the run before anything is changed.
  - What comes from a store outside is a value and never a template.
options:
  _terms:
    description: Names of secrets, as a rule those of the variables that take them.
    type: list
    elements: str
    required: true
  store:
    description:
      - C(kind) V(ansible_vault), the default, takes the variable C(vault_NAME) of the inventory, which belongs into a file that
        C(ansible-vault) encrypted.
      - C(kind) V(aws) takes the secret C(prefix) + NAME from AWS Secrets Manager, by the lookup P(amazon.aws.secretsmanager_secret#lookup).
      - C(kind) V(hashicorp) takes key NAME of the secret C(prefix) from the key-value engine (version 2) of HashiCorp Vault, by the lookup
        P(community.hashi_vault.vault_kv2_get#lookup).
      - C(options) go to that lookup as they are; its collection, and what that needs, are the control node's to have.
    type: dict
    default: {kind: ansible_vault}
    vars:
      - name: secrets_store
"""

EXAMPLES = r"""
# group_vars/all/secrets.yml, the same for every store
engine_database_password: "{{ lookup('hft.ops.secret', 'engine_database_password') }}"
timescaledb_engine_password: "{{ lookup('hft.ops.secret', 'engine_database_password') }}"

# group_vars/production/store.yml
secrets_store:
  kind: aws
  prefix: hft/production/
  options: {region: us-east-1}
"""

RETURN = r"""
_raw:
  description: The secrets, in the order of their names.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

_KEYS = {"ansible_vault": set(), "aws": {"prefix", "options"}, "hashicorp": {"prefix", "options"}}
_LOOKUPS = {"aws": "amazon.aws.secretsmanager_secret", "hashicorp": "community.hashi_vault.vault_kv2_get"}


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: object) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        store = self.get_option("store")
        kind = store.get("kind", "ansible_vault")
        if kind not in _KEYS:
            raise AnsibleLookupError(f"secrets_store: kind {kind}: expected {', '.join(_KEYS)}")
        unknown = set(store) - _KEYS[kind] - {"kind"}
        if unknown:
            raise AnsibleLookupError(f"secrets_store: {min(unknown)}: not known for kind {kind}; known are {sorted(_KEYS[kind])}")
        return [self._found(name, kind, store, variables or {}) for name in terms]

    def _found(self, name: str, kind: str, store: dict[str, Any], variables: dict[str, Any]) -> str:
        if kind == "ansible_vault":
            place, value = f"variable vault_{name}", self._of_the_inventory(f"vault_{name}", variables)
        elif kind == "aws":
            place = f"AWS secret {store.get('prefix', '')}{name}"
            value = self._asked(kind, place, store.get("prefix", "") + name, store, variables)[0]
        else:
            place = f"key {name} of HashiCorp's {store.get('prefix', '')}"
            value = self._asked(kind, place, store.get("prefix", ""), store, variables)[0]["secret"].get(name)
        if not isinstance(value, str) or not value:
            raise AnsibleLookupError(f"secret {name}: {place}: expected a text that is not empty; put it there, or set secrets_store")
        return value

    def _of_the_inventory(self, name: str, variables: dict[str, Any]) -> Any:
        return self._templar.template(variables[name]) if name in variables else None

    def _asked(self, kind: str, place: str, term: str, store: dict[str, Any], variables: dict[str, Any]) -> list[Any]:
        lookup = lookup_loader.get(_LOOKUPS[kind], loader=self._loader, templar=self._templar)
        if lookup is None:
            raise AnsibleLookupError(f"secrets_store: kind {kind}: expected the lookup {_LOOKUPS[kind]}; install its collection")
        try:
            return lookup.run([term], variables, **store.get("options", {}))
        except AnsibleError as wrong:
            said = " ".join(str(wrong).split())
            raise AnsibleLookupError(f"secret of {place}: {said}") from None
