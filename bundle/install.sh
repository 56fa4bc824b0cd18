#!/bin/sh
# Verifies what lies beside it, then makes a control node of it: ./install.sh DIRECTORY [KEYRING]. With a keyring everything must be signed.
set -eu
target=$(realpath -m "${1:?usage: install.sh DIRECTORY [KEYRING]}")
keyring=${2:+$(realpath "$2")}
cd "$(dirname "$0")"
if [ -n "$keyring" ]; then
  gpgv --keyring "$keyring" SHA256SUMS.asc SHA256SUMS || { echo "ERROR: SHA256SUMS is not signed by a key of $keyring; nothing was installed" >&2; exit 1; }
fi
sha256sum --check --strict --quiet SHA256SUMS || { echo "ERROR: the bundle is not what SHA256SUMS lists; bring it anew, nothing was installed" >&2; exit 1; }
listed=$(wc -l < SHA256SUMS)
there=$(find . -type f ! -name 'SHA256SUMS*' | wc -l)
[ "$listed" = "$there" ] || { echo "ERROR: $there files, of which SHA256SUMS lists $listed; bring the bundle anew, nothing was installed" >&2; exit 1; }
python3 -m venv "$target/venv"
"$target/venv/bin/pip" install --quiet --no-index --find-links wheels -r requirements.txt
"$target/venv/bin/ansible-galaxy" collection install --offline --no-deps -p "$target/collections" hft-ops-*.tar.gz
echo "ANSIBLE_COLLECTIONS_PATH=$target/collections $target/venv/bin/ansible-playbook hft.ops.host_audit -i HOST,"
