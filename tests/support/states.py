"""States of a database that many tests start from (the fixture `in_state`)."""

from collections.abc import Callable

# Takes a state's name and what makes it of a fresh database.
InState = Callable[[str, Callable[[], object]], None]
