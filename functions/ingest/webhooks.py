"""POST /leads?mapping=NAME: the webhooks of lead forms, by a stored mapping or a preset.

Invariant: without an API key, nothing is taken unless GOOGLE_KEY is set and the body names it, and
then for the one customer that the operator's mapping names.
"""

from dataclasses import replace
from datetime import datetime

from common.access.authentication import Principal
from common.database.transactions import snapshot
from common.enums import Role
from common.identifiers import customer_id
from common.imports.presets import ChosenMapping, Preset, choose_mapping
from common.imports.stored_mappings import chosen_mapping
from common.imports.webhooks import is_key_of, read_webhook
from common.leads.parsing import Posted
from common.problems import Forbidden, Unauthenticated
from common.settings import Settings

_GOOGLE = Principal("", "webhook of Google Ads", Role.INGEST)


def principal_by_google_key(body: str | bytes, settings: Settings) -> Principal | None:
    """Who sends a body without an API key; None where its key has no say.

    Raises Unauthenticated for a wrong key.
    """
    is_right = is_key_of(body, settings.google_key.get_secret_value())
    if is_right is False:
        raise Unauthenticated("the `google_key` is not the one that is set here")
    return _GOOGLE if is_right else None


def read_mapped_leads(
    body: str | bytes, name: str, principal: Principal, settings: Settings, now: datetime
) -> Posted:
    """The leads of a body by the mapping `name`.

    Raises Invalid for an unknown mapping, MalformedRequest, TooLarge and DatabaseUnavailable.
    """
    chosen = _chosen(name, principal)
    if principal is _GOOGLE:
        principal = _of_mapping(chosen)
    return read_webhook(
        body, chosen.for_customer(principal.customer), now, settings, principal.customer_id
    )


def _chosen(name: str, principal: Principal) -> ChosenMapping:
    if name in set(Preset):
        return choose_mapping(None, name)
    with snapshot() as session:
        return chosen_mapping(session, principal, name)


def _of_mapping(chosen: ChosenMapping) -> Principal:
    customer = chosen.given.constants.get("customer_id")
    if chosen.preset is not Preset.GOOGLE_ADS or not customer:
        raise Forbidden("the `google_key` opens mappings of `google_ads` with a constant customer")
    return replace(_GOOGLE, customer=customer, customer_id=customer_id(customer))
