"""Measure ratios of times: run both sides in turns, within one run, and divide their medians.

Invariant: no target is an absolute speed of the machine. A ratio does not depend on it, and a
busy neighbour slows both sides.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Side = Callable[[int], object]  # its argument is the number of the round


@dataclass(frozen=True)
class Finding:
    """One measured figure and its target; a figure without a target is for information.

    `part`: the part of the benchmarks; `load`: the load average of the machine before that part.
    """

    name: str
    title: str
    reached: float
    target: float | None
    unit: str = "x"
    at_least: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""
    load: float | None = None

    @property
    def misses_target(self) -> bool:
        if self.target is None:
            return False
        return self.reached < self.target if self.at_least else self.reached > self.target

    @property
    def verdict(self) -> str:
        """`ok`, `missed`, or nothing without a target."""
        return "" if self.target is None else "missed" if self.misses_target else "ok"

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The finding that `document` was called on."""
        return cls(**{name: value for name, value in document.items() if name != "missed"})

    def document(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "name": self.name,
            "title": self.title,
            "reached": round(self.reached, 3),
            "target": self.target,
            "unit": self.unit,
            "at_least": self.at_least,
            "missed": self.misses_target,
            "load": self.load,
            "details": dict(self.details),
        }


def in_turns(rounds: int, sides: Mapping[str, Side], warm_up: int = 1) -> dict[str, float]:
    """The median seconds of each side. Each round begins with the next side."""
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warm_up + rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            began = time.perf_counter()
            sides[name](number)
            took = time.perf_counter() - began
            if number >= warm_up:
                seconds[name].append(took)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def milliseconds(medians: Mapping[str, float]) -> dict[str, float]:
    """Medians in the form of a finding's details."""
    return {f"{name}_ms": round(seconds * 1000, 2) for name, seconds in medians.items()}


def target_text(finding: Finding) -> str:
    """The target in words."""
    if finding.target is None:
        return "-"
    return f"at {'least' if finding.at_least else 'most'} {finding.target:g}{finding.unit}"
