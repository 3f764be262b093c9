"""The pattern of statement numbers, such as `{year}-{number:5}`.

Invariant: two different numbers of the counter never give the same text.
"""

import re
from datetime import date
from typing import NamedTuple

DEFAULT_PATTERN = "{period}-{customer}-{number}"
MAX_PATTERN_LENGTH = 64
_PLACEHOLDER = re.compile(r"\{(period|year|month|customer|number)(?::([1-9]))?\}")


class NumberParts(NamedTuple):
    """What stands before and behind the counter's number, and how many digits it has at least."""

    before: str
    after: str
    width: int


def require_pattern(pattern: str) -> str:
    """The pattern. Raises ValueError if it could give a number twice, or says something unknown."""
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise ValueError(f"has at most {MAX_PATTERN_LENGTH} characters")
    names = [found[1] for found in _PLACEHOLDER.finditer(pattern)]
    rest = _PLACEHOLDER.sub("", pattern)
    if "{" in rest or "}" in rest:
        raise ValueError(
            "may hold {period}, {year}, {month}, {customer} and {number}, or {number:5} for at "
            "least five digits"
        )
    if not rest.isprintable():
        raise ValueError("is one line of printable characters")
    if names.count("number") != 1 or len(set(names)) != len(names):
        raise ValueError("needs {number}, and each placeholder at most once")
    if any(found[2] and found[1] != "number" for found in _PLACEHOLDER.finditer(pattern)):
        raise ValueError("only {number} has a count of digits")
    # Else customer "a1" with number 1 and customer "a" with number 11 would get the same text.
    if re.search(r"[}\w]\{number|\{number(:\d)?\}[{\w]", pattern, re.ASCII):
        raise ValueError("needs a separator such as - between {number} and what is beside it")
    return pattern


def parts_of(pattern: str, period: date, customer: str) -> NumberParts:
    """The texts around the number of a customer's statement of a period."""
    values = {
        "period": f"{period:%Y-%m}",
        "year": f"{period:%Y}",
        "month": f"{period:%m}",
        "customer": customer,
    }
    texts, width = [""], 1
    end = 0
    for found in _PLACEHOLDER.finditer(pattern):
        texts[-1] += pattern[end : found.start()]
        end = found.end()
        if found[1] == "number":
            width = int(found[2] or 1)
            texts.append("")
        else:
            texts[-1] += values[found[1]]
    before, after = texts
    return NumberParts(before, after + pattern[end:], width)
