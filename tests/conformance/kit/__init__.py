# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of an engine as checks, a file for each group of them."""
