# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this machine's KVM really runs a guest: /dev/kvm may exist and hang or fail with the first stock kernel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from lab.vm.paths import STATE

# With a thread for each CPU, QEMU 7.2 now and then executes a breakpoint which the guest's kernel has taken out of its code already, and
# the kernel panics at it ("Oops: int3"): seen on busy machines.
EMULATED = "tcg,thread=single"
KVM = "kvm"
_PROBE_TIMEOUT_S = 20
# A kernel without a root file system: when it got as far as missing it, the processor was run.
_REACHED = b"Unable to mount root fs"


def choose(kernel: Path) -> str:
    """The -accel of QEMU; asked once per boot of the machine by starting kernel, at most 20 s."""
    known = STATE / "acceleration"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if known.exists() and known.read_text().split()[:1] == [boot]:
        return known.read_text().split()[1]
    accel = KVM if os.access("/dev/kvm", os.R_OK | os.W_OK) and _runs(kernel) else EMULATED
    STATE.mkdir(parents=True, exist_ok=True)
    known.write_text(f"{boot} {accel}\n")
    return accel


def _runs(kernel: Path) -> bool:
    argv = ["qemu-system-x86_64", "-accel", KVM, "-cpu", "host", "-M", "q35", "-m", "512", "-nodefaults", "-display", "none",
            "-serial", "stdio", "-no-reboot", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return _REACHED in done.stdout
