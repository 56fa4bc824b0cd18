# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real hosts on one machine, as containers that boot systemd and are driven over SSH."""
