# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian 12's promtool (2.42), the oldest that the rules are written for, reads them and sees each case as the newer one does."""

from __future__ import annotations

import subprocess

from lab import image
from lab.paths import ROOT

_TRY = """
cd /tmp && apt-get update --quiet > /dev/null && apt-get download --quiet prometheus > /dev/null 2>&1 && dpkg -x prometheus_*.deb /tmp
promtool=/tmp/usr/bin/promtool
$promtool --version | grep --quiet 'version 2[.]42[.]'
$promtool check rules --lint=all --lint-fatal /src/roles/prometheus/files/*/*.yml
$promtool test rules /src/tests/rules/*.yml
"""


def test_the_oldest_promtool_reads_the_rules_and_sees_the_cases_as_the_newest_does() -> None:
    done = subprocess.run(["docker", "run", "--rm", "--volume", f"{ROOT}:/src:ro", "--entrypoint", "/bin/sh", image.build("host-debian-12"),
                           "-euc", _TRY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
