# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. Latencies before and after as one picture: both axes logarithmic, because the few late ones are what matters."""

from __future__ import annotations

from html import escape
from math import floor, log2, log10

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 960, 260, 56, 34, 22
_BINS_PER_OCTAVE = 4


def histogram(name: str, title: str, before: dict[int, int], after: dict[int, int], threshold_us: float | None) -> str:
    """name: unique on the page. before, after: samples by microseconds; the one without samples is left out."""
    shapes = [("before", _binned(before)), ("after", _binned(after))]
    last = max([number for _kind, bins in shapes for number in bins] + [_bin(threshold_us or 1)]) + 1
    most = max([count for _kind, bins in shapes for count in bins.values()] or [1])
    decades = floor(log10(most)) + 1

    def x(number: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 16) * number / last

    def y(count: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (log10(count) + 0.3) / (decades + 0.3)

    floor_y = _HEIGHT - _BOTTOM
    parts = [f'<svg class="histogram" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="{name}-title">',
             f'<title id="{name}-title">{escape(title)}</title>']
    parts += [f'<line class="grid" x1="{_LEFT}" y1="{y(count):.1f}" x2="{_WIDTH - 16}" y2="{y(count):.1f}"/>'
              f'<text class="tick" x="{_LEFT - 8}" y="{y(count) + 4:.1f}" text-anchor="end">{_short(count)}</text>'
              for count in (10 ** decade for decade in range(decades + 1))]
    parts += [f'<text class="tick" x="{x(log2(us) * _BINS_PER_OCTAVE):.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{_short(us)} µs</text>'
              for us in _ticks(last)]
    parts += [f'<rect class="{kind}" x="{x(number):.1f}" y="{y(count):.1f}" width="{x(1) - _LEFT:.1f}" height="{floor_y - y(count):.1f}"/>'
              for kind, bins in shapes for number, count in sorted(bins.items())]
    if threshold_us:
        at = x(log2(max(threshold_us, 1)) * _BINS_PER_OCTAVE)
        parts.append(f'<line class="limit" x1="{at:.1f}" y1="{_TOP - 8}" x2="{at:.1f}" y2="{floor_y}"/>'
                     f'<text class="limitname" x="{at + 6:.1f}" y="{_TOP}">limit {_short(threshold_us)} µs</text>')
    return "\n".join([*parts, "</svg>"])


def _bin(us: float) -> int:
    return floor(log2(max(us, 1)) * _BINS_PER_OCTAVE)


def _binned(samples: dict[int, int]) -> dict[int, int]:
    bins: dict[int, int] = {}
    for us, count in samples.items():
        if count > 0:
            bins[_bin(us)] = bins.get(_bin(us), 0) + count
    return bins


def _ticks(last: int) -> list[int]:
    """Powers of ten, and between them where there are few."""
    reach = 2 ** (last / _BINS_PER_OCTAVE)
    steps = (1,) if reach > 10000 else (1, 2, 5)
    return [step * 10 ** power for power in range(7) for step in steps if step * 10 ** power <= reach]


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g} {letter}"
    return f"{number:g}"
