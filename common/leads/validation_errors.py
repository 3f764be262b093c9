"""What pydantic says of a field, as a JSON pointer, a stable code and a sentence."""

from pydantic_core import ErrorDetails

from common.json_reader import REPEATED_MEMBER
from common.leads.schemas import MAX_ACTIONS
from common.problems import FieldError

MAX_NAME_LENGTH = 100  # of an unknown field, where its pointer is told
_CODES = {
    "missing": ("missing_field", "is required"),
    "extra_forbidden": ("unknown_field", "is not a known field"),
    "string_too_short": ("empty", "must not be empty"),
    "too_short": ("empty", "must not be empty"),
    "string_unicode": ("invalid_unicode", "holds a lone surrogate, which is no character"),
    "string_type": ("wrong_type", "must be a string"),
    "bool_type": ("wrong_type", "must be true or false"),
    "int_type": ("wrong_type", "must be a whole number"),
    "list_type": ("wrong_type", "must be an array"),
    "model_type": ("wrong_type", "must be an object"),
    "model_attributes_type": ("wrong_type", "must be an object"),
    "dict_type": ("wrong_type", "must be an object"),
    "timezone_aware": ("timestamp_without_offset", "must end in Z or an offset such as +02:00"),
    "string_pattern_mismatch": ("nul_character", "must not hold the character U+0000"),
    "user_unidentified": ("missing_field", "needs one of email, phone and external_id"),
}
_TIME_FIELDS = {"created_at", "timestamp"}


def field_error(detail: ErrorDetails) -> FieldError:
    """What pydantic says of a field, as a pointer, a stable code and a sentence."""
    path = list(detail["loc"])
    name, kind = path[-1] if path else "", detail["type"]
    if isinstance(name, str) and name.startswith(REPEATED_MEMBER):
        path[-1] = name.removeprefix(REPEATED_MEMBER)
        return FieldError(_pointer(path), "repeated_field", "stands twice in its object")
    code, text = _CODES.get(kind, (kind, detail["msg"]))
    if name == "engagement_level" and kind == "literal_error":
        code, text = "unknown_engagement_level", "must be High, Medium or Low"
    elif kind == "literal_error":
        code, text = f"unknown_{name}", f"must be {detail['ctx']['expected']}"
    elif name == "actions" and kind == "too_long":
        code, text = "too_many_actions", f"a lead may hold {MAX_ACTIONS} actions"
    elif kind == "too_long":
        code, text = f"too_many_{name}", f"may hold {detail['ctx']['max_length']} entries"
    elif kind == "string_too_long":
        code, text = "too_long", f"may hold {detail['ctx']['max_length']} characters"
    elif name in _TIME_FIELDS and (
        kind == "string_pattern_mismatch" or kind.startswith("datetime")
    ):
        code, text = "invalid_timestamp", "must be RFC 3339, such as 2024-04-01T10:00:00Z"
    return FieldError(_pointer(path), code, text)


def _pointer(path: list[int | str]) -> str:
    def step(part: int | str) -> str:
        text = str(part).encode(errors="replace").decode()
        if len(text) > MAX_NAME_LENGTH:
            text = text[:MAX_NAME_LENGTH] + "…"
        return text.replace("~", "~0").replace("/", "~1")

    return "".join(f"/{step(part)}" for part in path)
