# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol of design and engine as a transition system: who may trade, and how that moves."""
