"""/customers: registering them, and erasing their users."""

from fastapi import APIRouter, Response

from common.catalog import customers
from common.leads.erasure import erase_user
from common.request_model import Id
from common.settings import settings
from services.reports.api.dependencies import Cursor, PageSize, Snapshot, Transaction
from services.reports.api.pagination import cut_page, from_cursor, to_cursor
from services.reports.api.schemas.customers import (
    Customer,
    CustomerBody,
    CustomerList,
    Erasure,
    ErasureBody,
)

router = APIRouter(prefix="/customers", tags=["customers"])


@router.get("")
def list_customers(session: Snapshot, limit: PageSize = 50, cursor: Cursor = None) -> CustomerList:
    """The customers, by id."""
    after = None if cursor is None else from_cursor(cursor, str)
    page, last = cut_page(customers.list_customers(session, after, limit + 1), limit)
    return CustomerList(
        data=[Customer.from_stored(customer) for customer in page],
        next_cursor=last and to_cursor(last.external_id),
    )


@router.put("/{customer_id:id}", responses={201: {"model": Customer}})
def put_customer(
    session: Transaction, customer_id: Id, body: CustomerBody, response: Response
) -> Customer:
    """Registers a customer or changes it. Without `timezone` a new one is billed in UTC."""
    customer, is_new = customers.register_customer(
        session, customer_id, body.name, body.email, body.timezone
    )
    response.status_code = 201 if is_new else 200
    return Customer.from_stored(customer)


@router.post("/{customer_id:id}/erasures")
def erase(session: Transaction, customer_id: Id, body: ErasureBody) -> Erasure:
    """Erases a user from a customer's leads; every total, outcome and hash stays.

    What remains is the keyed hash the user is billed under: a later lead of theirs still counts as
    a duplicate, and is stored without the user too.
    """
    return Erasure.from_erased(erase_user(session, customer_id, body.user, settings()))
