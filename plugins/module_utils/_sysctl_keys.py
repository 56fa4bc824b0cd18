# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What is known about sysctl keys that a kernel may lack, and about keys that stand in old runbooks for nothing."""

from __future__ import annotations

_INITIAL_NETWORK = "it belongs to the initial network namespace, not to a container's"
_BUSY_POLL = f"{_INITIAL_NETWORK}, or it is built without NET_RX_BUSY_POLL, as PREEMPT_RT kernels before 6.12 are"

# Real keys that a kernel or a network namespace may lack or not let change: that is no mistake of the operator.
MAY_BE_ABSENT = {
    "kernel.hung_task_timeout_secs": "the kernel is built without DETECT_HUNG_TASK",
    "kernel.nmi_watchdog": "the kernel is built without HARDLOCKUP_DETECTOR",
    "kernel.numa_balancing": "the kernel is built without NUMA_BALANCING, as PREEMPT_RT kernels are",
    "kernel.sched_autogroup_enabled": "the kernel is built without SCHED_AUTOGROUP",
    "kernel.timer_migration": "the kernel is built without NO_HZ_COMMON",
    "kernel.watchdog_cpumask": "the kernel is built without LOCKUP_DETECTOR",
    "net.core.busy_poll": _BUSY_POLL,
    "net.core.busy_read": _BUSY_POLL,
    "net.core.default_qdisc": _INITIAL_NETWORK,
    "net.core.dev_weight": _INITIAL_NETWORK,
    "net.core.netdev_budget": _INITIAL_NETWORK,
    "net.core.netdev_budget_usecs": _INITIAL_NETWORK,
    "net.core.netdev_max_backlog": _INITIAL_NETWORK,
    "net.core.rmem_default": _INITIAL_NETWORK,
    "net.core.rmem_max": _INITIAL_NETWORK,
    "net.core.rps_sock_flow_entries": _INITIAL_NETWORK,
    "net.core.wmem_default": _INITIAL_NETWORK,
    "net.core.wmem_max": _INITIAL_NETWORK,
    "vm.compaction_proactiveness": "the kernel is built without COMPACTION",
    "vm.nr_hugepages": "the kernel is built without HUGETLBFS",
    "vm.zone_reclaim_mode": "the kernel is built without NUMA",
}

_SCHED_DEBUGFS = "moved to /sys/kernel/debug/sched in Linux 5.13; remove it from the settings"

# Keys that old runbooks set: refused with what to do instead, whether this kernel still shows a file of that name or not.
DEAD = {
    "kernel.sched_latency_ns": _SCHED_DEBUGFS,
    "kernel.sched_migration_cost_ns": _SCHED_DEBUGFS,
    "kernel.sched_min_granularity_ns": _SCHED_DEBUGFS,
    "kernel.sched_wakeup_granularity_ns": _SCHED_DEBUGFS,
    "net.ipv4.tcp_low_latency": "has had no effect since Linux 4.14; remove it from the settings",
    "net.ipv4.tcp_nodelay": "is not a sysctl but the socket option TCP_NODELAY, which the engine sets; remove it from the settings",
    "net.ipv4.tcp_quickack": "is not a sysctl but the socket option TCP_QUICKACK; remove it from the settings",
    "net.ipv4.tcp_tw_recycle": "was removed in Linux 4.12; remove it from the settings",
}
