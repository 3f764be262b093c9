"""How the property tests run: with `make test` the same examples each time, in CI others.

HYPOTHESIS_EXAMPLES=300 looks at that many in every property that has fewer. A failing example is
printed with the line that repeats it, and kept in .hypothesis: the next run takes it first.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.support.api import PROJECT

_EVERYWHERE = settings(
    deadline=None,
    # What a test keeps between its examples it puts back itself.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
KEPT = PROJECT / ".hypothesis" / "examples"


def examples(most: int) -> settings:
    """A property's settings: at most so many examples."""
    asked = os.environ.get("HYPOTHESIS_EXAMPLES")
    if asked is None and not os.environ.get("CI"):
        return settings(_EVERYWHERE, max_examples=most, derandomize=True, database=None)
    # Named here, as Hypothesis has another default where CI is set.
    return settings(
        _EVERYWHERE,
        max_examples=max(most, int(asked or 0)),
        derandomize=False,
        database=DirectoryBasedExampleDatabase(KEPT),
    )
