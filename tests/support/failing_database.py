"""A database that refuses leads on purpose."""

import json
from typing import Any

from sqlalchemy import Engine, text

from functions.ingest.handler import handler
from scripts.gateway import LambdaContext
from tests.support.function import event

PASSING = [
    "08006",  # connection failure
    "40001",  # serialization failure
    "40P01",  # deadlock
    "53100",  # disk full
    "53200",  # out of memory
    "53300",  # too many connections
    "55P03",  # lock not available
    "57014",  # statement timeout
    "57P01",  # the server shuts down
    "25006",  # the server became a replica
]


def post(body: Any) -> dict[str, Any]:
    sent = event(json.dumps(body))
    answer: dict[str, Any] = handler(sent, LambdaContext(aws_request_id="aws-1"))
    return answer


def fails(engine: Engine, what: str, times: int | None = None, where: str = "true") -> None:
    """Has every insert of a lead end in `what` (plpgsql), the first `times` of them or all."""
    limit = "" if times is None else f"and nextval('failures') <= {times}"
    with engine.begin() as connection:
        connection.exec_driver_sql("drop sequence if exists failures")
        connection.exec_driver_sql("create sequence failures")
        connection.exec_driver_sql(
            "create or replace function fail() returns trigger language plpgsql as $$ begin "
            f"if ({where}) {limit} then {what}; end if; return new; end $$"
        )
        connection.exec_driver_sql(
            "create or replace trigger fail before insert on leads "
            "for each row execute function fail()"
        )


def works_again(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("drop trigger fail on leads")


def stored(engine: Engine) -> dict[str, int]:
    """The actions stored of every lead."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select external_id, count(action_id) from leads "
                "left join actions using (lead_id) group by external_id"
            )
        )
        return {row[0]: row[1] for row in rows}


def raising(state: str) -> str:
    return f"raise exception 'on purpose' using errcode = '{state}'"


CUT = "perform pg_terminate_backend(pg_backend_pid())"
