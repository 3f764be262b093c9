"""Lead types."""

from pydantic import Field

from services.reports.api.schemas.answer import Answer


class LeadType(Answer):
    """A kind of lead that is accepted."""

    lead_type: str = Field(description="Its name.", examples=["Webinar"])


class LeadTypeList(Answer):
    """All lead types, by name."""

    data: list[LeadType] = Field(description="All of them.")
