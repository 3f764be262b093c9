"""What a caller sends to void actions."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from common.leads.schemas import MAX_ACTIONS
from common.request_model import NO_NUL, Id, RequestModel

MAX_REASON_LENGTH = 1_000


class NewVoid(RequestModel):
    """Which actions of a lead were sent by mistake, and why."""

    customer_id: Annotated[
        Id | None,
        Field(description="The lead's; needed where several customers have a lead of that id."),
    ] = None
    action_ids: Annotated[
        list[UUID] | None,
        Field(
            min_length=1,
            max_length=MAX_ACTIONS,
            description="The actions to void; without them, all actions of the lead.",
        ),
    ] = None
    reason: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, min_length=1, max_length=MAX_REASON_LENGTH, pattern=NO_NUL
        ),
        Field(description="Why they were sent by mistake. Name no person: it is not erased."),
    ]
