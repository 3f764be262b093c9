"""Health."""

from typing import Literal

from services.reports.api.schemas.answer import Answer


class Live(Answer):
    """The service lives."""

    status: Literal["live"]
    version: str


class Ready(Answer):
    """The service is ready to work."""

    status: Literal["ready"]
