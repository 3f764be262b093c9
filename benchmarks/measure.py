"""Times as ratios: both sides of each in turns, within one run, by their medians.

Invariant: no finding is a time by itself. A machine's speed cancels out of a ratio, and a
neighbour who slows it down for a while slows both sides.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Side = Callable[[int], object]  # takes the number of the round


@dataclass(frozen=True)
class Finding:
    """One measured figure beside what is wanted of it; None: nothing is, it is only told.

    `part` of the benchmarks that it is of; `load`: the machine's load average before that part.
    """

    name: str
    what: str
    reached: float
    wanted: float | None
    unit: str = "x"
    at_least: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""
    load: float | None = None

    @property
    def is_short(self) -> bool:
        if self.wanted is None:
            return False
        return self.reached < self.wanted if self.at_least else self.reached > self.wanted

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From what `document` gave."""
        return cls(**{name: value for name, value in document.items() if name != "short"})

    def document(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "name": self.name,
            "what": self.what,
            "reached": round(self.reached, 3),
            "wanted": self.wanted,
            "unit": self.unit,
            "at_least": self.at_least,
            "short": self.is_short,
            "load": self.load,
            "details": dict(self.details),
        }


def in_turns(rounds: int, sides: Mapping[str, Side], warm_up: int = 1) -> dict[str, float]:
    """The median seconds of every side. Each round begins with another one."""
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
    """Medians as a finding's details tell them."""
    return {f"{name}_ms": round(seconds * 1000, 2) for name, seconds in medians.items()}


def wanted(finding: Finding) -> str:
    """A target in words."""
    if finding.wanted is None:
        return "-"
    return f"at {'least' if finding.at_least else 'most'} {finding.wanted:g}{finding.unit}"
