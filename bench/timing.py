"""Whole-process timing, baseline and subject in turn so that a drifting machine moves both."""

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians in seconds; `ratio` is the median of the pairwise ratios subject / baseline."""

    subject: float
    baseline: float
    ratio: float


def python(*args: str) -> list[str]:
    return [sys.executable, *args]


def seconds(command: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    return time.perf_counter() - start


def paired(subject: Sequence[str], baseline: Sequence[str], runs: int = 7) -> Measured:
    """Runs the two in turn, after one warm-up of each."""
    seconds(subject), seconds(baseline)
    pairs = [(seconds(subject), seconds(baseline)) for _ in range(runs)]
    return Measured(
        statistics.median(s for s, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(s / b for s, b in pairs),
    )


def row(name: str, against: str, measured: Measured) -> str:
    return f"{name:<44}{measured.subject:8.3f} s{measured.ratio:8.2f} x  {against} ({measured.baseline:.3f} s)"
