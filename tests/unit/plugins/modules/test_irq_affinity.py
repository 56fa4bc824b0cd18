# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import errno
import os
import random
import sys
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils import _host_guard, _irq_pinning
from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_mask, mask_set
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._irq_pinning import Config
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.irq_affinity import apply

_CPU = "/sys/devices/system/cpu"
_CONFIG = "/etc/hft-irq-affinity.conf"
_UNIT = "/etc/systemd/system/hft-irq-affinity.service"
_PROGRAM = "/usr/local/lib/hft-irq-affinity.py"
_BAN = "/etc/systemd/system/irqbalance.service.d/90-hft.conf"


class InterruptedHost(Host):
    """Four CPUs, 2 and 3 isolated; eth0 (virtio, two queues), eth1 (one interrupt for all), a managed disk, an idle serial port.

    As the kernel: a mask that is taken moves the interrupt to the lowest CPU of it, one of an idle chip when it comes; managed refuses.
    """

    def __init__(self, root):
        super().__init__(root)
        self.managed, self.idle, self.read_only, self.full = {40}, set(), False, set()
        self.poked, self.managed_error = [], errno.EIO
        self.write(f"{_CPU}/present", "0-3\n")
        self.write(f"{_CPU}/online", "0-3\n")
        self.write(f"{_CPU}/isolated", "2-3\n")
        self.write(f"{_CPU}/nohz_full", "(null)\n")
        self.write("/proc/irq/default_smp_affinity", "f\n")
        for number, name, mask, effective in (
            (4, "ttyS0", "f", "8"), (24, "virtio0-config", "f", "4"), (25, "virtio0-input.0", "f", "1"), (26, "virtio0-output.0", "f", "2"),
            (27, "virtio0-input.1", "f", "4"), (28, "virtio0-output.1", "f", "8"), (30, "eth1", "3", "1"), (40, "nvme0q4", "8", "8"),
            (50, "", "f", "0"),
        ):
            self.write(f"/proc/irq/{number}/smp_affinity", mask + "\n")
            self.write(f"/proc/irq/{number}/effective_affinity", effective + "\n")
            self.write(f"/sys/kernel/irq/{number}/actions", name + "\n")
        pci = "/sys/devices/pci0000:00/0000:00:03.0"
        for number in range(24, 29):
            self.write(f"{pci}/msi_irqs/{number}", "msix\n")
        self.write(f"{pci}/virtio0/net/eth0/operstate", "up\n")
        self.write(f"{pci}/virtio0/modalias", "virtio:d00000001v00001AF4\n")
        self.write("/sys/devices/pci0000:00/0000:00:04.0/irq", "30\n")
        self.write("/sys/devices/pci0000:00/0000:00:04.0/modalias", "pci:v00008086d00001229\n")
        for name, device in (("eth0", f"{pci}/virtio0"), ("eth1", "/sys/devices/pci0000:00/0000:00:04.0")):
            self.path(f"/sys/class/net/{name}").mkdir(parents=True)
            self.path(f"/sys/class/net/{name}/device").symlink_to(self.path(device))
        self.write("/sys/class/net/docker0/operstate", "up\n")

    def write(self, path, text):
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def refusal(self, path):
        return "EROFS: Read-only file system" if self.read_only else super().refusal(path)

    def poke(self, path, value):
        number = int(path.split("/")[3]) if path.endswith("/smp_affinity") else None
        error = errno.EROFS if self.read_only else self.managed_error if number in self.managed else None
        if number in self.full and value != self.read(path).strip():
            error = errno.ENOSPC
        if error:
            raise OSError(error, os.strerror(error))
        if value != self.read(path).strip():
            self.poked.append((path, value))
        super().poke(path, value)
        if number is not None and number not in self.idle and not mask_set(self.effective(number)) <= mask_set(value):
            self.write(f"/proc/irq/{number}/effective_affinity", cpu_mask({min(mask_set(value))}) + "\n")

    def effective(self, number):
        return self.read(f"/proc/irq/{number}/effective_affinity").strip()

    def mask(self, number):
        return self.read(f"/proc/irq/{number}/smp_affinity").strip()

    def everything(self):
        return {str(path): path.read_text() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def host(tmp_path):
    return InterruptedHost(tmp_path)


def _apply(host, check_mode=False, **more):
    plan = Plan(check_mode)
    guard = {"service": "hft_system.service", "config": "/x", "api_token": None, "allow_disruption": False}
    params = {"state": "present", "isolated": "", "interfaces": [], "ban_irqbalance": False, "guard": guard, **more}
    return {**apply(params, host, lambda argv, **_more: (0, "", ""), plan), **plan.result()}


def _by_name(result):
    return {item["name"]: item for item in result["items"]}


def test_interrupts_leave_the_isolated_cpus_and_stay_away(host):
    result = _apply(host)
    assert [host.mask(number) for number in (4, 24, 25, 26, 27, 28, 30, 40, 50)] == ["3", "3", "3", "3", "3", "3", "3", "8", "f"]
    assert host.read("/proc/irq/default_smp_affinity").strip() == "3"
    assert host.effective(4) == "1"
    assert host.read(_CONFIG).splitlines()[1:] == ["housekeeping 0 1"]
    items = _by_name(result)
    assert {name: item["status"] for name, item in items.items()} == {
        "default_smp_affinity": "applied", "irq 40 nvme0q4": "not_applicable", "other interrupts": "applied"}
    assert items["irq 40 nvme0q4"]["reason"].startswith("EIO: /proc/irq/40/smp_affinity: the kernel manages this interrupt itself")
    assert items["other interrupts"]["live"] == "0-1"
    host.poked.clear()
    again = _apply(host)
    assert not again["changed"]
    assert host.poked == []


def test_queues_go_to_their_cpus_and_the_rest_of_the_card_to_housekeeping(host):
    result = _apply(host, interfaces=[{"name": "eth0", "cpus": "2-3"}, {"name": "eth1", "cpus": "1"}])
    assert [host.mask(number) for number in (24, 25, 26, 27, 28, 30)] == ["3", "4", "4", "8", "8", "2"]
    assert host.read(_CONFIG).splitlines()[1:] == ["housekeeping 0 1", "queues eth0 2 3", "queues eth1 1"]
    item = _by_name(result)["irq 27 virtio0-input.1"]
    assert (item["status"], item["wanted"], item["persisted"], item["live"]) == ("applied", "3", "3", "3")
    assert not _apply(host, interfaces=[{"name": "eth0", "cpus": "2-3"}, {"name": "eth1", "cpus": "1"}])["changed"]


def test_interrupt_of_another_device_is_not_taken_for_that_of_a_card_that_is_down(host):
    host.write("/sys/kernel/irq/30/actions", "i801_smbus\n")
    _apply(host, interfaces=[{"name": "eth1", "cpus": "2"}])
    assert host.mask(30) == "3"


@pytest.mark.parametrize("error", [errno.EIO, errno.EPERM, errno.EACCES])
def test_managed_interrupt_is_not_applicable_whatever_the_kernel_calls_it(host, error):
    host.managed_error = error
    item = _by_name(_apply(host))["irq 40 nvme0q4"]
    assert (item["status"], item["live"]) == ("not_applicable", "3")
    assert f"{errno.errorcode[error]}: /proc/irq/40/smp_affinity: the kernel manages this interrupt itself" in item["reason"]
    assert not any("nvme" in line for line in _irq_pinning.pin(host, Config(frozenset({0, 1}), {})))


def test_narrower_masks_off_the_isolated_cpus_are_left_alone(host):
    host.write("/proc/irq/4/smp_affinity", "2\n")
    host.write("/proc/irq/4/effective_affinity", "2\n")
    _apply(host)
    assert host.mask(4) == "2"


def test_idle_interrupt_is_not_written_again_and_again(host):
    host.idle.add(4)
    item = _by_name(_apply(host))["other interrupts"]
    assert (item["status"], item["reason"]) == ("applied", "irq 4 ttyS0 leaves CPU 3 at its next interrupt")
    assert not _apply(host)["changed"]


@pytest.mark.parametrize("seed", range(30))
def test_what_check_mode_plans_is_what_the_run_does(host, seed):
    dice = random.Random(seed)  # noqa: S311  (nothing secret)
    host.write(f"{_CPU}/isolated", dice.choice(["", "1\n", "2-3\n", "1,3\n"]))
    host.managed = {number for number in (4, 25, 40) if dice.random() < 0.3}
    if dice.random() < 0.5:
        _apply(host, isolated=dice.choice(["0", "3"]))
    cards = [{"name": "eth0", "cpus": dice.choice(["0", "1-3"])}, {"name": "eth1", "cpus": "2"}]
    wanted = {"interfaces": dice.sample(cards, dice.randrange(3)), "isolated": dice.choice(["", "3", "1-2"]),
              "ban_irqbalance": dice.random() < 0.5, "state": dice.choice(["present"] * 4 + ["absent"])}
    before = host.everything()
    planned = _apply(host, check_mode=True, **wanted)
    assert host.everything() == before
    done = _apply(host, **wanted)
    assert done["differences"] == planned["differences"]
    assert not _apply(host, **wanted)["changed"]
    assert all(item["status"] != "drifted" for item in done["items"])


def test_what_was_moved_by_hand_is_the_only_drift(host):
    _apply(host, interfaces=[{"name": "eth0", "cpus": "2-3"}])
    host.poke("/proc/irq/25/smp_affinity", "1")
    result = _apply(host, check_mode=True, interfaces=[{"name": "eth0", "cpus": "2-3"}])
    assert [(one["layer"], one["path"], one["before"], one["after"]) for one in result["differences"]] == [
        ("live", "irq 25 virtio0-input.0", "0", "2")]
    assert [item["name"] for item in result["items"] if item["status"] == "drifted"] == ["irq 25 virtio0-input.0"]


def test_container_says_what_refused(host):
    host.read_only = True
    result = _apply(host, isolated="2-3", interfaces=[{"name": "eth1", "cpus": "2"}])
    assert {item["status"] for item in result["items"]} == {"not_applicable"}
    assert _by_name(result)["other interrupts"]["reason"] == "EROFS: /proc/irq/4/smp_affinity: Read-only file system (so for 7 interrupts)"
    assert _by_name(result)["default_smp_affinity"]["reason"] == "EROFS: Read-only file system: /proc/irq/default_smp_affinity"
    assert _by_name(result)["irq 30 eth1"]["reason"] == "EROFS: /proc/irq/30/smp_affinity: Read-only file system"
    assert host.poked == []


def test_host_without_isolated_cpus_is_left_as_it_is(host):
    host.write(f"{_CPU}/isolated", "\n")
    before = host.everything()
    result = _apply(host)
    assert not result["changed"]
    assert [item["status"] for item in result["items"]] == ["not_applicable"]
    assert host.everything() == before


def test_absent_removes_every_file_and_says_what_the_boot_brings(host):
    _apply(host, ban_irqbalance=True)
    assert 'Environment="IRQBALANCE_BANNED_CPULIST=2-3"' in host.read(_BAN)
    result = _apply(host, state="absent")
    assert [host.read(path) for path in (_CONFIG, _UNIT, _PROGRAM, _BAN)] == [None] * 4
    assert result["reboot_reasons"] == ["interrupts pinned: the kernel keeps where interrupts are until the next boot"]
    assert not _apply(host, state="absent")["changed"]


def test_cpu_without_a_vector_left_restores_every_mask_and_file(host):
    host.full.add(28)
    before = host.everything()
    with pytest.raises(HostError, match=r"irq/28/smp_affinity: the kernel refuses CPU 0-1 \(ENOSPC: .*no interrupt vector left"):
        _apply(host)
    after = {path: text for path, text in host.everything().items() if "effective" not in path}
    assert after == {path: text for path, text in before.items() if "effective" not in path}


@pytest.mark.parametrize(("wanted", "said"), [
    ({"isolated": "2-9"}, "isolated: CPU 4-9 is not online on this host; it has 0-3"),
    ({"isolated": "3-2"}, "isolated: 3-2 in '3-2': the range is reversed; write 2-3"),
    ({"isolated": "0-3"}, "isolated: 0-3 are all CPUs of this host; leave at least one for the interrupts"),
    ({"interfaces": [{"name": "eth9", "cpus": "1"}]},
     "interfaces: eth9: no such network interface; those with interrupts here are eth0, eth1"),
    ({"interfaces": [{"name": "docker0", "cpus": "1"}]},
     "interfaces: docker0: has no interrupts of its own; those with interrupts here are eth0, eth1"),
    ({"interfaces": [{"name": "eth0", "cpus": "7"}]}, "interfaces: eth0: cpus: CPU 7 is not online on this host; it has 0-3"),
    ({"interfaces": [{"name": "eth0", "cpus": ""}]}, "interfaces: eth0: cpus is empty; expected a CPU list such as 2-3"),
    ({"interfaces": [{"name": "eth0", "cpus": "1"}, {"name": "eth0", "cpus": "2"}]}, "interfaces: eth0: listed twice; keep one"),
])
def test_input_that_cannot_be_is_refused_and_nothing_is_written(host, wanted, said):
    before = host.everything()
    with pytest.raises(HostError) as wrong:
        _apply(host, **wanted)
    assert str(wrong.value) == said
    assert host.everything() == before


def test_host_that_trades_keeps_its_interrupts(host, monkeypatch):
    def trades(_guard, changes, _host, _run):
        raise HostError(f"refused, nothing was changed: engine e1 holds s1; would change {changes[0]}")

    monkeypatch.setattr(_host_guard, "refuse_while_trading", trades)
    before = host.everything()
    with pytest.raises(HostError, match=r"would change default_smp_affinity"):
        _apply(host)
    assert host.everything() == before
    audit = _apply(host, check_mode=True)
    assert "engine e1 holds s1" in audit["refused"]
    assert _by_name(audit)["other interrupts"]["status"] == "drifted"


# The program of the service


def test_program_on_the_host_is_the_file_that_the_module_decides_by_and_stands_alone(host):
    _apply(host)
    text = Path(_irq_pinning.__file__).read_text()
    assert host.read(_PROGRAM) == text
    imported = {name.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
    assert f"-I {_PROGRAM}" in host.read(_UNIT)


def test_program_pins_again_what_a_driver_has_reset(host):
    _apply(host, interfaces=[{"name": "eth0", "cpus": "2-3"}])
    config = _irq_pinning.parse(host.read(_CONFIG))
    assert _irq_pinning.pin(host, config) == []
    for number in (24, 25, 28):
        host.poke(f"/proc/irq/{number}/smp_affinity", "f")
    assert _irq_pinning.pin(host, config) == ["irq 24 virtio0-config -> 0,1", "irq 25 virtio0-input.0 -> 2", "irq 28 virtio0-output.1 -> 3"]


def test_program_goes_on_where_the_kernel_refuses(host):
    config = Config(frozenset({0, 1}), {})
    host.full.add(4)
    said = _irq_pinning.pin(host, config)
    assert "irq 4 ttyS0: No space left on device" in said
    assert "default_smp_affinity -> 0,1" in said
    assert not any("nvme" in line for line in said)


@pytest.mark.parametrize(("name", "queue"), [
    ("eth0-TxRx-12", 12), ("i40e-enp2s0f0-TxRx-5", 5), ("enp0s2-rx-0", 0), ("virtio2-output.3", 3), ("mlx5_comp4@pci:0000:3b:00.0", 4),
    ("eth0-Tx-Rx-7", 7), ("eth0-ntfy-block.2", 2), ("ens1f1-fp-9", 9), ("virtio2-config", None), ("mlx5_async0@pci:0000:3b:00.0", None),
    ("enp0s2", None),
])
def test_queues_are_known_by_the_names_of_their_drivers(name, queue):
    found = _irq_pinning._QUEUE.search(name)
    assert (int(found[1]) if found else None) == queue


@pytest.mark.parametrize("seed", range(10))
def test_masks_and_configuration_are_read_as_they_were_written(seed):
    dice = random.Random(seed)  # noqa: S311  (nothing secret)
    cpus = frozenset(dice.sample(range(200), dice.randrange(1, 40)))
    assert _irq_pinning.mask_text(cpus) == cpu_mask(cpus)
    assert _irq_pinning.mask_cpus(_irq_pinning.mask_text(cpus) + "\n") == cpus
    config = Config(cpus, {f"eth{n}": tuple(dice.sample(range(200), 3)) for n in range(dice.randrange(3))})
    assert _irq_pinning.parse("# a comment\n\n" + config.text()) == config


def test_line_that_means_nothing_is_an_error():
    with pytest.raises(ValueError, match="housekeping: expected housekeeping or queues"):
        _irq_pinning.parse("housekeping 0 1\n")
