"""/health/ready, and what it says of a schema that is not this code's."""

import httpx
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from services.reports.api import health


def at_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"update alembic_version set version_num = '{revision}'")


def test_newer_schema_is_named_with_what_to_do(gateway: httpx.Client, engine: Engine) -> None:
    at_revision(engine, "9999")

    answer = gateway.get("/health/ready")

    newest = ScriptDirectory("alembic").get_current_head()
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        f"the schema is newer (9999) than this code ({newest}): deploy newer code",
    )


def test_older_schema_is_named_with_what_to_do(
    gateway: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_known_revisions", lambda: {"0000"})
    at_revision(engine, "0000")

    detail = gateway.get("/health/ready").json()["detail"]

    assert detail.startswith("the schema is older (0000): migrate it to ")
