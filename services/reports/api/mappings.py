"""/mappings: mappings of files that are kept under a name."""

from typing import Annotated

from fastapi import Path, Request, Response

from common.database.transactions import acting_as, transaction
from common.imports import stored_mappings
from common.imports.presets import choose_mapping
from common.request_model import Id
from services.reports.api.dependencies import Snapshot
from services.reports.api.schemas.mappings import (
    MappingBody,
    MappingList,
    StoredMapping,
)
from services.reports.http.authorization import principal_of
from services.reports.http.routes import Router

router = Router(prefix="/mappings", tags=["imports"])

MappingName = Annotated[Id, Path(description="Up to 64 letters, digits, `.`, `_` and `-`.")]


@router.get("")
def list_mappings(request: Request, session: Snapshot) -> MappingList:
    """The mappings of the key's customer; for a key of no customer, the operator's."""
    stored = stored_mappings.list_mappings(session, principal_of(request).customer_id)
    return MappingList(data=[StoredMapping.model_validate(each) for each in stored])


@router.get("/{name}")
def show_mapping(request: Request, session: Snapshot, name: MappingName) -> StoredMapping:
    """One stored mapping."""
    stored = stored_mappings.get_mapping(session, principal_of(request).customer_id, name)
    return StoredMapping.model_validate(stored)


@router.put("/{name}", responses={201: {"model": StoredMapping}})
def put_mapping(
    request: Request, name: MappingName, body: MappingBody, response: Response
) -> StoredMapping:
    """Stores a mapping under a name, or changes it. `POST /imports?mapping=` takes the name.

    The operator's are changed by admins, those of a customer by its ingest keys.
    """
    principal = principal_of(request)
    chosen = choose_mapping(body.model_dump(exclude_unset=True))
    # As no customer, who could write nothing: the row is the principal's own.
    with acting_as(principal.actor), transaction() as session:
        stored, is_new = stored_mappings.put_mapping(session, principal, name, chosen)
    response.status_code = 201 if is_new else 200
    return StoredMapping.model_validate(stored)


@router.delete("/{name}", status_code=204)
def delete_mapping(request: Request, name: MappingName) -> None:
    """Deletes a stored mapping. Imports that were made by it stay as they are."""
    principal = principal_of(request)
    with acting_as(principal.actor), transaction() as session:
        stored_mappings.delete_mapping(session, principal, name)
