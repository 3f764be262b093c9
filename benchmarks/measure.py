"""Measure ratios of times: run both sides in turns, within one run, and divide their medians.

Invariant: no target is an absolute speed of the machine. A ratio does not depend on it, and a
busy neighbour slows both sides.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
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

    @classmethod
    def ratio(
        cls,
        name: str,
        title: str,
        medians: Mapping[str, float],
        sides: tuple[str, str],
        target: float | None,
        *,
        at_least: bool = False,
        **counts: int,
    ) -> Self:
        """The median of the first of two sides, divided by that of the second."""
        milliseconds = {f"{side}_ms": round(took * 1000, 2) for side, took in medians.items()}
        reached = medians[sides[0]] / medians[sides[1]]
        return cls(name, title, reached, target, at_least=at_least, details=milliseconds | counts)

    @property
    def misses_target(self) -> bool:
        if self.target is None:
            return False
        return self.reached < self.target if self.at_least else self.reached > self.target

    @property
    def verdict(self) -> str:
        """`ok`, `missed`, or nothing without a target."""
        return "" if self.target is None else "missed" if self.misses_target else "ok"

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Title, reached figure, target and verdict, as every table shows them."""
        reached = f"{self.reached:.2f}{self.unit}" if self.reached else "0"
        return self.title, reached, self.target_text, self.verdict

    @property
    def target_text(self) -> str:
        """The target in words."""
        if self.target is None:
            return "-"
        return f"at {'least' if self.at_least else 'most'} {self.target:g}{self.unit}"

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The finding that `document` was called on."""
        return cls(**{name: value for name, value in document.items() if name != "missed"})

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"reached": round(self.reached, 3), "missed": self.misses_target}


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
