"""The way of a request through the modules of `common`, as it runs."""

import sys
from collections.abc import Callable
from types import FrameType

# They hold values and lead nowhere: what a lead, a refusal, an answer or a counter is, and how long
# a call may take.
VALUES = (
    "common.database.breaker",
    "common.database.waiting",
    "common.access.tokens",
    "common.enums",
    "common.normalization",
    "common.problems",
    "common.leads.results",
    "common.observability.",
)


def callers_on_the_way(
    work: Callable[[], object], values: tuple[str, ...] = VALUES
) -> dict[str, set[str]]:
    """The modules of `common` that `work` comes to, in order, and the modules that call them.

    Leaves out the modules of `values`. A module whose function is still running was not left, so a
    call back into it does not count.
    """
    running: list[str] = []
    callers: dict[str, set[str]] = {}

    def is_step(module: str) -> bool:
        return module.startswith("common.") and not module.startswith(values)

    def note(frame: FrameType, kind: str, _argument: object) -> None:
        module = str(frame.f_globals.get("__name__"))
        if kind == "call":
            if is_step(module) and module not in running:
                caller = next(filter(is_step, reversed(running)), "handler")
                callers.setdefault(module, set()).add(caller)
            running.append(module)
        elif kind == "return" and running:
            running.pop()

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return callers
