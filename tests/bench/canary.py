# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-canary`: how often the comparison of metric_analysis tells a worse canary, by noise, samples and difference.

Writes build/bench/canary.json and the tables of docs/canary_comparison.md. Seeded: the same figures on any machine.
"""

from __future__ import annotations

import random
import re
import sys
import zlib
from pathlib import Path
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._canary_comparison import Comparison
from conclusion import conclude

from lab import machine

_ROOT = Path(__file__).resolve().parents[2]
_RESULT = _ROOT / "build" / "bench" / "canary.json"
DOCUMENT = _ROOT / "docs" / "canary_comparison.md"
SEED = 42
TRIALS = 200
NOISE_PCT = (5, 10, 20, 40)
SAMPLES = (50, 100, 200)
WORSE_PCT = (0, 5, 10, 20)
OVERLAP = (1, 2, 6, 12)  # steps that the range of a rate() reaches over


def told_pct(noise_pct: float, samples: int, worse_pct: float, overlap: int = 1) -> float:
    """Share of trials in which a canary that is so much worse is told, with the limits that Kayenta has."""
    seed = zlib.crc32(f"{SEED} {noise_pct} {samples} {worse_pct} {overlap}".encode())
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    comparison = Comparison("", window_s=samples, step_s=1, direction="increase")
    found = sum(comparison.judge(_series(chance, 1, noise_pct / 100, samples, overlap),
                                 _series(chance, 1 + worse_pct / 100, noise_pct / 100, samples, overlap)).bad for _trial in range(TRIALS))
    return 100 * found / TRIALS


def _series(chance: random.Random, level: float, noise: float, samples: int, overlap: int) -> list[float]:
    """Normal noise; with an overlap each sample is the mean of the last ones, scaled so that the noise is as large as without."""
    drawn = [chance.gauss(0, noise * overlap ** 0.5) for _ in range(samples + overlap - 1)]
    return [level + sum(drawn[i:i + overlap]) / overlap for i in range(samples)]


def measure() -> dict[str, Any]:
    return {
        **machine.head(SEED), "trials": TRIALS,
        "told_pct": [{"noise_pct": noise, "samples": samples,
                      **{f"worse_{worse}_pct": told_pct(noise, samples, worse) for worse in WORSE_PCT}}
                     for noise in NOISE_PCT for samples in SAMPLES],
        "false_alarm_pct_by_overlap": {str(steps): told_pct(10, 100, 0, steps) for steps in OVERLAP},
    }


def tables(result: dict[str, Any]) -> dict[str, str]:
    """Markdown by name of the place in the document."""
    power = ["| noise | samples a side | no difference | " + " | ".join(f"{worse} % worse" for worse in WORSE_PCT[1:]) + " |",
             "| --: | --: |" + " --: |" * len(WORSE_PCT)]
    power += [f"| {row['noise_pct']} % | {row['samples']} | " + " | ".join(f"{row[f'worse_{worse}_pct']:g} %" for worse in WORSE_PCT) + " |"
              for row in result["told_pct"]]
    overlap = ["| range of `rate()` | false alarms |", "| --: | --: |"]
    overlap += [f"| {steps} step{'s' if steps != '1' else ', `$step`'} | {told:g} % |"
                for steps, told in result["false_alarm_pct_by_overlap"].items()]
    return {"power": "\n".join(power), "overlap": "\n".join(overlap)}


def main() -> int:
    result = measure()
    text = DOCUMENT.read_text()
    for name, table in tables(result).items():
        text = re.sub(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", rf"\g<1>{table}\n\g<2>", text, flags=re.DOTALL)
    DOCUMENT.write_text(text)
    by = {(row["noise_pct"], row["samples"]): row for row in result["told_pct"]}[10, 100]
    faults = [fault for fault, missed in (("10 % worse at 10 % noise and 100 samples: told in fewer than 95 %", by["worse_10_pct"] < 95),
                                          ("no difference at 10 % noise and 100 samples: told in more than 5 %", by["worse_0_pct"] > 5))
              if missed]
    return conclude(result, _RESULT, faults)


if __name__ == "__main__":
    sys.exit(main())
