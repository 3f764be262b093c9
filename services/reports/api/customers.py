"""/customers: registering them, and erasing their users."""

from functools import partial

from fastapi import Response

from common.catalog import customers
from common.leads.erasure import erase_user
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, Transaction
from services.reports.api.pagination import CUSTOMERS
from services.reports.api.schemas.customers import (
    Customer,
    CustomerBody,
    CustomerList,
    Erasure,
    ErasureBody,
)
from services.reports.http.routes import Router

router = Router(prefix="/customers", tags=["customers"])


@router.get("")
def list_customers(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> CustomerList:
    """The customers, by id."""
    return CUSTOMERS.answer(CustomerList, partial(customers.list_customers, session), cursor, limit)


@router.get("/{customer_id:id}")
def show_customer(session: Snapshot, customer_id: Id) -> Customer:
    """One customer."""
    return Customer.model_validate(customers.get_customer(session, customer_id))


@router.put("/{customer_id:id}", responses={201: {"model": Customer}})
def put_customer(
    session: Transaction, customer_id: Id, body: CustomerBody, response: Response
) -> Customer:
    """Registers a customer or changes it. Without `timezone` a new one is billed in UTC."""
    customer, is_new = customers.register_customer(session, customer_id, **body.model_dump())
    response.status_code = 201 if is_new else 200
    return Customer.model_validate(customer)


@router.post("/{customer_id:id}/erasures")
def erase(session: Transaction, customer_id: Id, body: ErasureBody) -> Erasure:
    """Erases a user from a customer's leads; every total, outcome and hash stays.

    What remains is the keyed hash the user is billed under: a later lead of theirs still counts as
    a duplicate, and is stored without the user too.
    """
    return Erasure.model_validate(erase_user(session, customer_id, body.user, settings()))
