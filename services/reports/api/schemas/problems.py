"""Problem documents (RFC 9457)."""

from pydantic import BaseModel

from services.reports.api.schemas.answer import Answer


class FieldError(Answer):
    """One refused field: a JSON pointer, a stable code and a sentence."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. Some problems have further members."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: str | None = None
    errors: list[FieldError] = []
