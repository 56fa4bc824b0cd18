# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the stages of tests/stages.yml, each within its budget, and tells what passed."""
