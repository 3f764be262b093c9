"""Forms: reading a posted form, running its change, and showing it again with its errors.

Invariant: a refused form changes nothing, and the page shows it again as it was filled in.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session
from starlette.datastructures import ImmutableMultiDict

from common.database.transactions import transaction
from common.leads.validation_errors import field_error
from common.problems import Invalid, MalformedRequest, Problem

MAX_FIELDS = 20_000
_FORM = "application/x-www-form-urlencoded"

Result = TypeVar("Result")
Body = TypeVar("Body", bound=BaseModel)
Fields = ImmutableMultiDict[str, str]


async def _fields(request: Request) -> Fields:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise MalformedRequest(f"a form arrives as {_FORM}")
    try:
        return ImmutableMultiDict(
            parse_qsl(
                (await request.body()).decode(),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=MAX_FIELDS,
            )
        )
    except ValueError:
        raise MalformedRequest("the form could not be read") from None


Form = Annotated[Fields, Depends(_fields)]


def parsed(kind: type[Body], values: Mapping[str, object]) -> Body:
    """The values as the body of an API request. Raises Invalid with an error for each field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        errors = [field_error(detail) for detail in error.errors(include_url=False)]
        raise Invalid("some fields were refused", errors) from None


def attempted(work: Callable[[Session], Result]) -> Result | Problem:
    """The result of `work` in a transaction of its own, or the problem that rolled it back."""
    try:
        with transaction() as session:
            return work(session)
    except Problem as problem:
        return problem


def tag_of(*members: object) -> str:
    """A short hash of the members: tells whether they have changed since a form was shown."""
    text = "\0".join("" if member is None else f"={member}" for member in members)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
