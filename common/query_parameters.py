"""The parameters of an address: an unknown or repeated one is refused, by name.

Invariant: a misspelt filter never answers with everything.
"""

from collections import Counter
from collections.abc import Collection, Iterable

from common.problems import FieldError, Invalid

_MAX_TOLD = 20
_MAX_NAME_LENGTH = 100


def require_known(names: Iterable[str], known: Collection[str]) -> None:
    """`names`: of all parameters that were sent, as often as each was. Raises Invalid."""
    offer = f"known here: {', '.join(sorted(known))}" if known else "this address takes none"
    errors = []
    for name, times in Counter(names).items():
        if name not in known:
            error = FieldError(_pointer(name), "unknown_parameter", f"is not known; {offer}")
        elif times > 1:
            error = FieldError(_pointer(name), "repeated_parameter", "may stand once")
        else:
            continue
        errors.append(error)
    if errors:
        raise Invalid("a parameter of the address was refused", errors[:_MAX_TOLD])


def _pointer(name: str) -> str:
    shown = name.encode(errors="replace").decode()
    if len(shown) > _MAX_NAME_LENGTH:
        shown = shown[:_MAX_NAME_LENGTH] + "…"
    return "/query/" + shown.replace("~", "~0").replace("/", "~1")
