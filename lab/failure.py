# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the lab shows to a person: what failed, where, and what to do."""

from __future__ import annotations


class LabError(Exception):
    """A failure told in one line that ends with what to do."""
