# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a control node without the internet needs, in one archive: the collection, ansible-core as wheels, and releases of the engine.

The archive has a list of what is in it (CycloneDX) and the sha256 of each file; with --sign KEY the list of sums is signed by gpg.
install.sh in it verifies, then installs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_BIN = Path(sys.executable).parent
_BILL = "bill_of_materials.json"
_INSTALL = Path(__file__).parent / "install.sh"


def main() -> int:
    args = _arguments()
    missing = [str(release) for release in args.release if not release.is_file()]
    if missing:
        print(f"ERROR: --release {missing[0]}: no such file; give the archive that engine_build wrote", file=sys.stderr)
        return 2
    folder = args.out / "hft-ops-bundle"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "releases").mkdir(parents=True)
    _run(_BIN / "ansible-galaxy", "collection", "build", "--force", "--output-path", folder, cwd=_ROOT)
    for release in args.release:
        shutil.copy(release, folder / "releases")
    core = next(line.strip() for line in (_ROOT / "requirements.txt").read_text().splitlines() if line.startswith("ansible-core=="))
    (folder / "requirements.txt").write_text(f"{core}\n")
    _run(_BIN / "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", folder / "wheels", core, cwd=folder)
    shutil.copy(_INSTALL, folder)
    (folder / _BILL).write_text(json.dumps(_bill(folder), indent=2) + "\n")
    (folder / "SHA256SUMS").write_text("".join(f"{_sha256(path)}  {path.relative_to(folder)}\n" for path in _files(folder)))
    if args.sign:
        _sign(folder / "SHA256SUMS", args.sign)
    archive = folder.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    shutil.rmtree(folder)
    print(archive)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bundle", description=__doc__.splitlines()[0])
    parser.add_argument("--release", type=Path, action="append", default=[], help="archive of an engine; may be given again")
    parser.add_argument("--sign", default="", help="key of gpg")
    parser.add_argument("--out", type=Path, default=_ROOT / "build", help="where the archive comes")
    return parser.parse_args()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _bill(folder: Path) -> dict[str, Any]:
    """CycloneDX 1.5: one component for each archive, with those of a release as its own bill of materials names them."""
    kinds = {".whl": "library", ".gz": "application"}
    components = [{"type": kinds[path.suffix], "name": path.name, "version": path.name.split("-")[1] if path.suffix == ".whl" else "",
                   "hashes": [{"alg": "SHA-256", "content": _sha256(path)}], **_parts(path)}
                  for path in _files(folder) if path.suffix in kinds]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}


def _parts(archive: Path) -> dict[str, Any]:
    """What is in a release, where it says so; nothing for what is no release."""
    if archive.parent.name != "releases" or not tarfile.is_tarfile(archive):
        return {}
    with tarfile.open(archive) as tar:
        found = next((member for member in tar if member.isreg() and member.name.split("/")[1:] == [_BILL]), None)
        content = tar.extractfile(found) if found else None
        return {"components": json.load(content)["components"]} if content else {}


def _sign(path: Path, key: str) -> None:
    _run("gpg", "--batch", "--yes", "--armor", "--local-user", key, "--detach-sign", path, cwd=path.parent)


def _run(*argv: str | Path, cwd: Path) -> None:
    done = subprocess.run([str(word) for word in argv], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise SystemExit(f"ERROR: {Path(argv[0]).name}: {' '.join(said)}; nothing was bundled")


if __name__ == "__main__":
    sys.exit(main())
