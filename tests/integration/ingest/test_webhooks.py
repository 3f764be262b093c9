"""POST /leads?mapping=: the JSON of lead forms, as Google and Meta send it."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from common.access.api_keys import create_key
from common.access.authentication import LOCAL_ADMIN, authenticator
from common.enums import Role
from common.imports.presets import choose_mapping
from common.imports.stored_mappings import put_mapping
from common.settings import Settings, settings
from functions.ingest import bodies
from tests.support.function import event, invoke, posted
from tests.support.imports import DATA

GOOGLE = json.loads((DATA / "google_ads_webhook.json").read_text())
KEY = "a-key-of-sixteen-or-more"
META = {
    "id": "l:42",
    "created_time": "2024-04-01T10:00:00+0000",
    "form_id": "7",
    "field_data": [
        {"name": "email", "values": ["ann@people.test"]},
        {"name": "full_name", "values": ["Ann"]},
    ],
}


def store(engine: Engine, name: str, preset: str, **constants: str) -> None:
    given = {"preset": preset, "constants": {"product_id": "abc", "lead_type": "Webinar"}}
    given["constants"] |= constants  # type: ignore[operator]
    with Session(engine) as session, session.begin():
        put_mapping(session, LOCAL_ADMIN, name, choose_mapping(given))


@pytest.fixture
def mapped(ready: Engine) -> Engine:
    """A database with the operator's mappings `forms` of Google and `meta` for acme."""
    store(ready, "forms", "google_ads", customer_id="acme")
    store(ready, "meta", "meta_lead_ads", customer_id="acme")
    return ready


@pytest.fixture
def closed(mapped: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The same, where nobody is let in without a key, and Google sends `KEY`."""
    monkeypatch.setenv("OPEN_ACCESS", "false")
    monkeypatch.setenv("GOOGLE_KEY", KEY)
    settings.cache_clear()
    authenticator.cache_clear()
    yield mapped
    authenticator.cache_clear()


def deliver(document: Any, mapping: str = "forms", **headers: str) -> dict[str, Any]:
    sent = event(json.dumps(document), **headers)
    return invoke(sent | {"rawQueryString": f"mapping={mapping}"})


def test_lead_of_a_google_form_is_stored_once(mapped: Engine) -> None:
    lead = GOOGLE | {"lead_submit_time": "2024-04-01T10:00:00Z"}

    first, again = deliver(lead), deliver(lead)

    assert (first["statusCode"], posted(first)["created"]) == (201, 1)
    assert (again["statusCode"], posted(again)["unchanged"]) == (200, 1)
    with mapped.connect() as connection:
        stored = connection.execute(
            text("select external_id, user_email, created_at from leads")
        ).one()
    assert stored[:2] == (GOOGLE["lead_id"], "p1@people.example")
    assert stored[2].isoformat() == "2024-04-01T10:00:00+00:00"


def test_lead_without_a_time_is_of_its_arrival_and_never_stored_twice(mapped: Engine) -> None:
    first, again = deliver(GOOGLE), deliver(GOOGLE)

    assert (first["statusCode"], again["statusCode"]) == (201, 409)
    posted(again)
    with mapped.connect() as connection:
        assert connection.scalar(text("select count(*) from actions")) == 1


def test_test_of_a_form_is_judged_and_not_stored(mapped: Engine) -> None:
    answer = deliver(GOOGLE | {"is_test": True})
    odd = deliver(GOOGLE | {"is_test": True, "lead_id": ""})

    assert answer["statusCode"] == 200
    assert posted(answer)["results"] == []
    assert odd["statusCode"] == 422
    with mapped.connect() as connection:
        assert connection.scalar(text("select count(*) from leads")) == 0


def test_leads_of_meta_are_stored_alone_and_as_an_array(mapped: Engine) -> None:
    alone = deliver(META, "meta")
    several = deliver(
        [META, META | {"id": "l:43"}, META | {"id": "l:44", "created_time": "x"}], "meta"
    )

    assert posted(alone)["results"][0]["lead_id"] == "42"
    assert several["statusCode"] == 207
    results = posted(several)["results"]
    assert [result["status"] for result in results] == ["unchanged", "created", "invalid"]
    assert results[2]["errors"][0]["pointer"] == "/2/created_at"


def test_mapping_that_is_not_there_or_lacks_a_field_is_refused(mapped: Engine) -> None:
    lacking = deliver(GOOGLE, "google_ads")
    for name in ("nobodys", "a\0b", "x" * 65):
        assert posted(deliver(GOOGLE, name))["errors"][0]["code"] == "unknown_mapping", name

    assert lacking["statusCode"] == 422
    missing = {error["pointer"] for error in posted(lacking)["errors"]}
    assert missing == {"/customer_id", "/product_id", "/lead_type"}


@pytest.mark.parametrize(
    ("body", "status"), [("", 400), ("[]", 400), ("x", 400), ("[1]", 400), (b"\xff", 400)]
)
def test_body_that_holds_no_lead_is_refused(mapped: Engine, body: Any, status: int) -> None:
    sent = event() | {"body": body if isinstance(body, str) else body.decode("latin-1")}

    answer = invoke(sent | {"rawQueryString": "mapping=forms"})

    assert answer["statusCode"] == status
    posted(answer)


def test_too_many_leads_are_refused(mapped: Engine) -> None:
    assert deliver([META] * 1_001, "meta")["statusCode"] == 413


# --- without an API key


def test_google_key_lets_in_the_leads_of_its_mappings_customer(closed: Engine) -> None:
    answer = deliver(GOOGLE | {"google_key": KEY})

    assert (answer["statusCode"], posted(answer)["created"]) == (201, 1)


@pytest.mark.parametrize("key", ["", "a-key-of-sixteen-or-less", KEY + "x", None, 7, "ü"])
def test_other_google_key_is_unauthenticated(closed: Engine, key: object) -> None:
    answer = deliver(GOOGLE | {"google_key": key})

    assert answer["statusCode"] == 401
    with closed.connect() as connection:
        assert connection.scalar(text("select count(*) from leads")) == 0


def test_packed_body_is_unpacked_once(closed: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack, sizes = bodies._unpacked, []

    def counted(content: bytes) -> bytes:
        sizes.append(len(content))
        return unpack(content)

    monkeypatch.setattr(bodies, "_unpacked", counted)
    packed = gzip.compress(json.dumps(GOOGLE | {"google_key": KEY}).encode())
    sent = event(base64.b64encode(packed).decode(), content_encoding="gzip")

    answer = invoke(sent | {"isBase64Encoded": True, "rawQueryString": "mapping=forms"})

    assert (answer["statusCode"], sizes) == (201, [len(packed)])


def test_google_key_opens_nothing_else(closed: Engine) -> None:
    store(closed, "anybodys", "google_ads")
    keyed = GOOGLE | {"google_key": KEY}

    assert deliver(keyed, "meta")["statusCode"] == 403
    assert deliver(keyed, "anybodys")["statusCode"] == 403
    assert deliver(keyed, "google_ads")["statusCode"] == 403
    assert invoke(event(json.dumps(keyed)))["statusCode"] == 401  # no webhook
    assert deliver([keyed])["statusCode"] == 401
    assert deliver(keyed | {"x": "y" * 70_000})["statusCode"] == 401
    assert deliver(META | {"google_key": KEY}, authorization="Bearer x")["statusCode"] == 401


def test_without_the_setting_a_google_key_has_no_say(
    mapped: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_ACCESS", "false")
    settings.cache_clear()
    authenticator.cache_clear()

    assert deliver(GOOGLE | {"google_key": ""})["statusCode"] == 401
    authenticator.cache_clear()


def test_api_key_of_a_customer_uses_its_own_mapping(closed: Engine) -> None:
    with Session(closed) as session, session.begin():
        _, token = create_key(session, "sender", Role.INGEST, "acme")
    header = f"Bearer {token.text}"

    assert deliver(META, "meta", authorization=header)["statusCode"] == 422  # the operator's
    answer = deliver(META, "meta_lead_ads", authorization=header)
    pointers = [error["pointer"] for error in posted(answer)["errors"]]
    assert pointers == ["/product_id"]


def test_short_google_key_is_no_setting() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        Settings(google_key="short")
