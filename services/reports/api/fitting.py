"""How much fits into one answer: no answer is larger than 6 MB, however long its texts are."""

from collections.abc import Sequence

from pydantic import BaseModel

# AWS carries 6 MB from a function. It carries JSON as text in JSON, where each quote takes two
# bytes, so there is room for that.
MAX_ANSWER_BYTES = 4 * 1024 * 1024


def fitting(items: Sequence[BaseModel], room: int = MAX_ANSWER_BYTES) -> int:
    """How many of the items, from the first on, fit in so many bytes of JSON; at least one."""
    left = room
    for number, item in enumerate(items):
        left -= len(item.model_dump_json().encode()) + 1
        if left < 0:
            return max(number, 1)
    return len(items)
