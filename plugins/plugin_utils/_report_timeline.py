# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. Phases of a run as inline SVG: one row a phase, bars on one axis of time."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import floor, log10

_MINUTE = 60e6
_WIDTH, _LEFT, _RIGHT, _ROW, _HEAD = 960, 250, 110, 24, 34


@dataclass(frozen=True)
class Bar:
    lane: str  # giver, taker, play: gives the colour
    label: str
    at_us: float
    took_us: float

    @property
    def end_us(self) -> float:
        return self.at_us + self.took_us


@dataclass(frozen=True)
class Band:
    """A stretch of time that is marked over all rows."""

    label: str
    begin_us: float
    end_us: float


def duration(us: float) -> str:
    """As a person says it: 812 µs, 2.31 ms, 12.4 s, 3 min 20 s, 5 min."""
    if us < 1000:
        return f"{us:.0f} µs"
    if us < 1e6:
        return f"{us / 1e3:.3g} ms"
    seconds = us / 1e6
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min" + (f" {rest} s" if rest else "")


def timeline(name: str, title: str, bars: list[Bar], band: Band | None) -> str:
    """name: unique on the page. The axis reaches over all bars and the band, and begins at zero."""
    begin = min([one.at_us for one in bars] + ([band.begin_us] if band else []))
    end = max([one.end_us for one in bars] + ([band.end_us] if band else []))
    span = max(end - begin, 1.0)
    plot = _WIDTH - _LEFT - _RIGHT
    height = _HEAD + _ROW * len(bars) + 30

    def x(us: float) -> float:
        return _LEFT + plot * (us - begin) / span

    parts = [f'<svg class="timeline" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{name}-title">',
             f'<title id="{name}-title">{escape(title)}</title>']
    bottom = height - 26
    for tick in ticks(span):
        at = x(begin + tick)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{_HEAD - 8}" x2="{at:.1f}" y2="{bottom}"/>'
                     f'<text class="tick" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{duration(tick) if tick else "0"}</text>')
    if band:
        left, width = x(band.begin_us), max(2.0, x(band.end_us) - x(band.begin_us))
        anchor = min(max(left + width / 2, _LEFT + 40), _WIDTH - _RIGHT)
        parts.append(f'<rect class="band" x="{left:.1f}" y="{_HEAD - 8}" width="{width:.1f}" height="{bottom - _HEAD + 8}"/>'
                     f'<text class="bandname" x="{anchor:.1f}" y="{_HEAD - 14}" text-anchor="middle">{escape(band.label)}</text>')
    for row, one in enumerate(bars):
        top = _HEAD + row * _ROW
        left, width = x(one.at_us), max(2.0, plot * one.took_us / span)
        parts.append(f'<text class="label" x="{_LEFT - 10}" y="{top + 15}" text-anchor="end">{escape(_cut(one.label))}</text>'
                     f'<rect class="bar {one.lane}" x="{left:.1f}" y="{top + 3}" width="{width:.1f}" height="{_ROW - 8}" rx="2"/>'
                     f'<text class="took" x="{left + width + 6:.1f}" y="{top + 15}">{duration(one.took_us) if one.took_us else ""}</text>')
    return "\n".join([*parts, "</svg>"])


def ticks(span: float) -> list[float]:
    """Some round steps from zero: decimal ones below a minute, whole minutes above."""
    raw = span / 6
    power = _MINUTE if raw > _MINUTE / 2 else 10.0 ** floor(log10(raw))
    step = next((power * one for one in (1, 2, 5, 10, 20, 30, 60, 120, 240) if power * one >= raw), raw)
    return [step * number for number in range(int(span / step) + 1)]


def _cut(label: str) -> str:
    return label if len(label) <= 34 else label[:33] + "…"


def sparkline(values: list[tuple[float, str]]) -> str:
    """(value, phase) of each measurement, oldest first."""
    if len(values) < 2:
        return ""
    low, high = min(value for value, _phase in values), max(value for value, _phase in values)
    step, scale = 116 / (len(values) - 1), 20 / ((high - low) or 1)
    points = [(2 + step * index, 22 - (value - low) * scale, phase) for index, (value, phase) in enumerate(values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _phase in points)
    dots = "".join(f'<circle class="{escape(phase)}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
                   for x, y, phase in points if phase != "successful")
    return f'<svg class="spark" viewBox="0 0 120 24" aria-hidden="true"><polyline points="{line}"/>{dots}</svg>'
