"""How the property tests run: the same examples each time, and more of them where asked for.

HYPOTHESIS_EXAMPLES=1000 looks that long in every property, each time at other examples.
"""

import os

from hypothesis import HealthCheck, settings

_EXAMPLES = os.environ.get("HYPOTHESIS_EXAMPLES")
_EVERYWHERE = settings(
    deadline=None,
    # What a test keeps between its examples it puts back itself.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def examples(most: int) -> settings:
    """A property's settings: at most so many examples."""
    if _EXAMPLES is None:
        return settings(_EVERYWHERE, max_examples=most, derandomize=True)
    return settings(_EVERYWHERE, max_examples=int(_EXAMPLES))
