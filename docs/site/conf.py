# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes the site of what build.py laid out: pages as they stand in the tree, reference/ from the plugins and roles."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes

project = "hft.ops"
author = "hft.ops contributors"
html_title = "hft.ops"
html_theme = "furo"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
nitpicky = True

root_doc = "docs/index"
include_patterns = ["README.md", "CHANGELOG.rst", "docs/**.md", "roles/**/README.md", "engine/README.md", "engine/**/README.md",
                    "deploy/**README.md", "molecule/README.md", "tests/*/README.md", "plugins/**/README.md",
                    "reference/**.rst", "reference/playbooks.md"]

# Markdown is written for people who read it in the repository: plain, with the anchors that a forge gives to headings.
myst_heading_anchors = 4
myst_links_external_new_tab = False
highlight_language = "text"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False

# What the reference names of Ansible's own documentation. Links for the reader, since nothing is fetched while the site is built.
_CORE = "https://docs.ansible.com/ansible-core/2.19"
_ANSIBLE = {
    "action_plugins": f"{_CORE}/plugins/action.html", "callback_plugins": f"{_CORE}/plugins/callback.html",
    "ansible_configuration_settings": f"{_CORE}/reference_appendices/config.html",
    "common_return_values": f"{_CORE}/reference_appendices/common_return_values.html",
}
_PLUGIN = re.compile(r"ansible_collections\.(?!hft\.)(\w+)\.(\w+)\.(\w+)$")

# What stands on the left, in this order; a page that none of these takes fails the build.
_CONTENTS = {
    "Guide": ["All in tables </README>", "/docs/first_hour",
              "/docs/concepts", "/docs/inventory", "/docs/recovery", "/docs/event_driven", "/docs/security", "/docs/upgrade",
              "/docs/support", "/docs/figures", "/docs/capabilities", "/docs/canary_comparison", "/docs/awx/README",
              "/docs/dashboards/README", "/CHANGELOG"],
    "Reference": ["/reference/playbooks", "Modules, plugins, roles </reference/index>"],
    "Runbooks of alerts": ["/docs/runbooks/*"],
    "Roles": ["/roles/*/README", "/roles/prometheus/files/README"],
    "Engine and tests": ["/engine/README", "/engine/strategies/example/README", "/tests/conformance/README", "/tests/model/README",
                         "/molecule/README", "/plugins/plugin_utils/calendars/README"],
    "Around the hosts": ["/deploy/README", "/deploy/*/README"],
    "Decisions": ["/docs/adr/*"],
}


def _append_contents(_app: Any, name: str, source: list[str]) -> None:
    if name == root_doc:
        source[0] += "".join(f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{chr(10).join(pages)}\n```\n"
                             for caption, pages in _CONTENTS.items())


def _ansibles_own(_app: Any, _env: Any, node: Any, content: Any) -> Any:
    """A link to Ansible's documentation where a label is one of its own; any other one stays a warning."""
    label = node.get("reftarget", "")
    plugin = _PLUGIN.match(label)
    address = _ANSIBLE.get(label) or (plugin and "https://docs.ansible.com/ansible/latest/collections/{}/{}/{}.html".format(*plugin.groups()))
    return nodes.reference("", "", content, internal=False, refuri=address) if address else None


def setup(app: Any) -> None:
    """Sphinx calls it."""
    app.connect("source-read", _append_contents)
    app.connect("missing-reference", _ansibles_own)
