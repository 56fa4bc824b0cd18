# SPDX-License-Identifier: GPL-3.0-or-later
"""Database: members, how far standbys are behind, what engines write, and the backups."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import board, lines, row, state

_M = 'instance=~"$member"'
_HIT = f"sum by (instance) (rate(pg_stat_database_blks_hit{{{_M}}}[$__rate_interval]))"
_READ = f"sum by (instance) (rate(pg_stat_database_blks_read{{{_M}}}[$__rate_interval]))"
_READ_FROM_MEMORY = f"{_HIT} / ({_HIT} + {_READ} > 0)"


def build() -> Dashboard:
    return board(
        "hft-database",
        "Database",
        "PostgreSQL with TimescaleDB, its standbys and its backups.",
        variables=(("member", "label_values(pg_up, instance)"),),
        shows=[
            row("Members"),
            state("Answers", f"pg_up{{{_M}}}", "{{instance}}", span=8),
            state("Standby", f"pg_replication_is_replica{{{_M}}}", "{{instance}}", says="0 is the primary.", span=8),
            state("Primaries", "sum(1 - pg_replication_is_replica)", "primaries", span=8),
            row("Replication"),
            lines(
                "Behind, in time",
                (f"pg_replication_lag_seconds{{{_M}}} and on (instance) pg_replication_is_replica == 1", "{{instance}}"),
                ("hft:limit:replication_lag_seconds", "limit"),
                unit="s",
            ),
            lines("Behind, in WAL", (f"pg_stat_replication_pg_wal_lsn_diff{{{_M}}}", "{{application_name}} of {{instance}}"), unit="bytes"),
            lines(
                "WAL kept for slots",
                (f"pg_replication_slots_pg_wal_lsn_diff{{{_M}}}", "{{slot_name}} of {{instance}}"),
                ("hft:limit:replication_slot_bytes", "limit"),
                unit="bytes",
            ),
            lines("WAL on disk", (f"pg_wal_size_bytes{{{_M}}}", "{{instance}}"), unit="bytes"),
            row("Work"),
            lines(
                "Transactions",
                (f"sum by (instance) (rate(pg_stat_database_xact_commit{{{_M}}}[$__rate_interval]))", "{{instance}}"),
                (f"sum by (instance) (rate(pg_stat_database_xact_rollback{{{_M}}}[$__rate_interval]))", "rolled back {{instance}}"),
                unit="ops",
            ),
            lines(
                "Rows of engines",
                ("sum by (table) (rate(persistence_rows_total[$__rate_interval]))", "{{table}}"),
                unit="ops",
                says="Acknowledged by the database.",
            ),
            lines("Connections", (f"sum by (instance, state) (pg_stat_activity_count{{{_M}}})", "{{state}} {{instance}}"), stacked=True),
            lines("Longest transaction", (f"max by (instance) (pg_stat_activity_max_tx_duration{{{_M}}})", "{{instance}}"), unit="s"),
            lines(
                "Read from memory",
                (
                    _READ_FROM_MEMORY,
                    "{{instance}}",
                ),
                unit="percentunit",
            ),
            lines("Size", (f"pg_database_size_bytes{{{_M}}}", "{{datname}} {{instance}}"), unit="bytes"),
            lines("Locks", (f"sum by (mode) (pg_locks_count{{{_M}}})", "{{mode}}")),
            lines(
                "Deadlocks, conflicts",
                (f"sum by (instance) (increase(pg_stat_database_deadlocks{{{_M}}}[5m]))", "deadlocks {{instance}}"),
                (f"sum by (instance) (increase(pg_stat_database_conflicts{{{_M}}}[5m]))", "conflicts {{instance}}"),
            ),
            row("Backups"),
            lines(
                "Age of the last backup",
                ("time() - max by (stanza, type) (hft_backup_last_completed_timestamp_seconds)", "{{stanza}} {{type}}"),
                ("hft:limit:backup_age_seconds", "limit"),
                unit="s",
            ),
            lines(
                "Age of the last proof",
                ("time() - max by (stanza) (hft_backup_last_verified_timestamp_seconds)", "{{stanza}}"),
                ("hft:limit:backup_verified_age_seconds", "limit"),
                unit="s",
            ),
            lines(
                "WAL archived",
                (f"rate(pg_stat_archiver_archived_count{{{_M}}}[5m])", "{{instance}}"),
                (f"increase(pg_stat_archiver_failed_count{{{_M}}}[5m])", "failed {{instance}}"),
            ),
        ],
    )
