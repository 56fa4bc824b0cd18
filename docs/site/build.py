# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the documentation as one static site, build/docs/site: `make docs`. A warning, or a page that asks another host, fails it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playbooks import page

_ROOT = Path(__file__).resolve().parents[2]
_WORK = _ROOT / "build" / "docs"
# Laid out as a collection, because that is how antsibull-docs finds it; links between files of the tree hold here too.
_SOURCE = _WORK / "ansible_collections" / "hft" / "ops"
_SITE = _WORK / "site"
_ELSEWHERE = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["'](?:https?:)?//[^"']+""")
_START = '<!doctype html><meta charset="utf-8"><title>hft.ops</title><meta http-equiv="refresh" content="0; url=docs/index.html">\n'


def main() -> int:
    """The old site stands until the new one is whole."""
    _lay_out()
    new = _WORK / "site.new"
    shutil.rmtree(new, ignore_errors=True)
    _run("antsibull-docs", "collection", "--use-current", "--fail-on-error", "--squash-hierarchy", "--no-add-antsibull-docs-version",
         "--dest-dir", str(_SOURCE / "reference"), "hft.ops")
    (_SOURCE / "reference" / "playbooks.md").write_text(page(_ROOT / "playbooks"))
    _run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", str(_ROOT / "docs" / "site"),
         "--doctree-dir", str(_WORK / "doctrees"), str(_SOURCE), str(new))
    asked = {f"{page.relative_to(new)}: {found}" for page in new.rglob("*.html") for found in _ELSEWHERE.findall(page.read_text())}
    if asked:
        raise SystemExit("ERROR: pages that ask another host:\n" + "\n".join(sorted(asked)))
    (new / "index.html").write_text(_START)
    shutil.rmtree(_SITE, ignore_errors=True)
    new.rename(_SITE)
    print(f"{len(list(_SITE.rglob('*.html')))} pages: {(_SITE / 'index.html').relative_to(_ROOT)}")
    return 0


def _lay_out() -> None:
    """Files that are in git, or will be; what was built is none of them."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=_ROOT, capture_output=True,
                            text=True, check=True).stdout
    shutil.rmtree(_WORK / "ansible_collections", ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        if (_ROOT / name).is_file() and not (_ROOT / name).is_symlink():
            (_SOURCE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_ROOT / name, _SOURCE / name)
    (_SOURCE / "reference").mkdir()


def _run(program: str, *arguments: str) -> None:
    bin_dir = Path(sys.executable).parent
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON"))}
    env |= {"ANSIBLE_COLLECTIONS_PATH": str(_WORK), "ANSIBLE_HOME": str(_WORK / "home"), "PATH": f"{bin_dir}:{os.environ['PATH']}"}
    done = subprocess.run([str(bin_dir / program), *arguments], cwd=_WORK, env=env)
    if done.returncode != 0:
        raise SystemExit(f"ERROR: {program} ended with {done.returncode}; what is wrong stands above")


if __name__ == "__main__":
    sys.exit(main())
