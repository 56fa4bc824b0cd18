# SPDX-License-Identifier: GPL-3.0-or-later
"""Host tuning: is a host still what it was made, and who disturbs its isolated CPUs."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import board, heat, lines, listing, row

_H = 'instance=~"$host"'


def build() -> Dashboard:
    return board(
        "hft-host-tuning",
        "Host tuning",
        "Knobs, jitter, interrupts by CPU, clock and network.",
        variables=(("host", 'label_values(up{job="node_exporter"}, instance)'),),
        shows=[
            row("Knobs"),
            listing(
                "Not as wanted", (f"hft_host_knob_ok{{{_H}}} == 0", "{{role}} {{knob}}"), says="As old as the last report of the host."
            ),
            lines(
                "Knobs as wanted",
                (f"avg by (instance) (hft_host_knob_ok{{{_H}}})", "{{instance}}"),
                (f"hft_host_reboot_required{{{_H}}}", "waits for a boot {{instance}}"),
                unit="percentunit",
            ),
            row("Interrupts"),
            heat(
                "Interrupts by CPU",
                f"sum by (instance, cpu) (rate(node_interrupts_total{{{_H}}}[$__rate_interval]))",
                "{{instance}} {{cpu}}",
                buckets=False,
                span=24,
            ),
            lines(
                "Device interrupts on isolated CPUs",
                (f"hft:isolated_cpu_interrupts:rate10s{{{_H}}}", "{{instance}} {{cpu}}"),
                ("hft:limit:isolated_interrupts_per_second", "limit"),
                unit="ops",
            ),
            lines(
                "Soft interrupts by CPU",
                (f"sum by (instance, cpu) (rate(node_softirqs_functions_total{{{_H}}}[$__rate_interval]))", "{{instance}} {{cpu}}"),
                unit="ops",
            ),
            row("Jitter"),
            lines(
                "Waiting for a processor",
                (f"rate(node_pressure_cpu_waiting_seconds_total{{{_H}}}[$__rate_interval])", "{{instance}}"),
                unit="percentunit",
                says="Share of the time in which something that could run did not.",
            ),
            lines(
                "Taken by the hypervisor",
                (f'avg by (instance) (rate(node_cpu_seconds_total{{mode="steal", {_H}}}[$__rate_interval]))', "{{instance}}"),
                ("hft:limit:cpu_steal_ratio", "limit"),
                unit="percentunit",
            ),
            lines(
                "Housekeeping CPUs busy",
                (f"hft:housekeeping_cpu_busy:ratio1m{{{_H}}}", "{{instance}}"),
                ("hft:limit:cpu_busy_ratio", "limit"),
                unit="percentunit",
            ),
            lines(
                "Frequency of isolated CPUs",
                (f"node_cpu_scaling_frequency_hertz{{{_H}}} and on (instance, cpu) node_cpu_isolated == 1", "{{instance}} {{cpu}}"),
                unit="hertz",
            ),
            lines("Context switches", (f"rate(node_context_switches_total{{{_H}}}[$__rate_interval])", "{{instance}}"), unit="ops"),
            lines(
                "Memory left",
                (f"node_memory_MemAvailable_bytes{{{_H}}} / node_memory_MemTotal_bytes{{{_H}}}", "{{instance}}"),
                ("hft:limit:memory_available_ratio", "limit"),
                unit="percentunit",
            ),
            row("Clock"),
            lines("Offset", (f"node_timex_offset_seconds{{{_H}}}", "{{instance}}"), unit="s"),
            lines("Greatest error, as the kernel believes", (f"node_timex_maxerror_seconds{{{_H}}}", "{{instance}}"), unit="s"),
            row("Network"),
            lines(
                "Received packets dropped",
                (f'rate(node_network_receive_drop_total{{device!="lo", {_H}}}[$__rate_interval])', "{{instance}} {{device}}"),
                unit="pps",
            ),
            lines(
                "Backlog of the kernel",
                (f"sum by (instance) (rate(node_softnet_dropped_total{{{_H}}}[$__rate_interval]))", "dropped {{instance}}"),
                (f"sum by (instance) (rate(node_softnet_times_squeezed_total{{{_H}}}[$__rate_interval]))", "squeezed {{instance}}"),
                unit="pps",
            ),
            lines(
                "Packets",
                (f'rate(node_network_receive_packets_total{{device!="lo", {_H}}}[$__rate_interval])', "in {{instance}} {{device}}"),
                (f'-rate(node_network_transmit_packets_total{{device!="lo", {_H}}}[$__rate_interval])', "out {{instance}} {{device}}"),
                unit="pps",
            ),
            lines(
                "Dropped by a queue",
                (f"sum by (instance, device) (rate(node_qdisc_drops_total{{{_H}}}[$__rate_interval]))", "{{instance}} {{device}}"),
                unit="pps",
            ),
        ],
    )
