# SPDX-License-Identifier: GPL-3.0-or-later
"""A real environment on one machine: PostgreSQL, a paper venue and two engines as plain processes on loopback ports."""
