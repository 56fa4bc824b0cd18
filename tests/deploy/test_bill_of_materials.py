# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials of a release that was compiled here: the published schema, and every library that its programs load."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from conftest import in_build_tree

_VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
wrong = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read())
sys.exit(str(wrong) if wrong else 0)
"""


@pytest.fixture(scope="module")
def bill(release: Path) -> str:
    with tarfile.open(release) as tar:
        content = tar.extractfile("hft_system-0.1.0+00000000/bill_of_materials.json")
        assert content is not None
        return content.read().decode()


def _said(component: dict[str, Any], key: str) -> list[str]:
    return [one["value"] for one in component["properties"] if one["name"] == f"hft.ops:{key}"]


def test_it_is_what_the_published_schema_allows(bill: str, validators: Path) -> None:
    done = subprocess.run([validators / "python", "-c", _VALIDATE], input=bill, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_names_every_library_that_the_programs_load(bill: str) -> None:
    files = {name for component in json.loads(bill)["components"] for name in _said(component, "file")}
    seen = in_build_tree("sh", "-c", "find /build/stage/bin /build/stage/lib -type f -exec ldd {} +")
    loaded = set(re.findall(r"(\S+) => /", seen))
    assert {"libpq.so.5", "libssl.so.3", "libstdc++.so.6"} <= loaded <= files


def test_it_names_what_is_compiled_and_linked_in(bill: str) -> None:
    uses = {component["name"]: _said(component, "use") for component in json.loads(bill)["components"]}
    assert {name for name, use in uses.items() if "headers" in use} >= {"nlohmann-json3-dev", "libpq-dev", "libssl-dev"}
    assert [name for name, use in uses.items() if "headers" in use and name.startswith("libboost")] != []
    assert [name for name, use in uses.items() if "static" in use and name.startswith("libgcc")] != []


def test_the_same_build_has_the_same_bill(bill: str) -> None:
    again = in_build_tree("python3", "-c", "from ansible_collections.hft.ops.plugins.module_utils._bill_of_materials import write; "
                          "print(open(write('/build/stage', '/build', 'hft_system', '0.1.0+00000000', ('/source',))).read(), end='')")
    assert again == bill
