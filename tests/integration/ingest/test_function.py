"""The Lambda functions themselves: their events, logs, metrics, settings, and hostile bodies."""

import asyncio
import base64
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from pydantic import SecretStr, ValidationError
from sqlalchemy import Engine, create_engine, text

from common.database import engine as engine_module
from common.database.engine import forget_engines
from common.settings import Settings, settings
from scripts.gateway import LambdaContext
from services.reports.api.schemas.reports import Report
from tests.support import adapter
from tests.support.api import Wire, action, check_problem, lead
from tests.support.function import EMAIL, PHONE, event, invoke, posted, printed
from tests.support.properties import examples

# --- events


def test_base64_body_is_read(ready: Engine) -> None:
    body = base64.b64encode(json.dumps(lead("l1", action())).encode()).decode()

    answer = invoke(event(body) | {"isBase64Encoded": True})

    assert (answer["statusCode"], posted(answer)["created"]) == (201, 1)


@pytest.mark.parametrize("body", ["not base64!", "ab=c", base64.b64encode(b"\xff").decode()])
def test_base64_body_that_cannot_be_read_is_400(ready: Engine, body: str) -> None:
    answer = invoke(event(body) | {"isBase64Encoded": True})

    assert answer["statusCode"] == 400
    posted(answer)


def test_line_that_is_not_utf_8_is_refused_alone(ready: Engine) -> None:
    lines = json.dumps(lead("l1", action())).encode() + b'\n{"lead_id": "\xff"}\n'
    sent = event(_base64(lines), content_type="application/x-ndjson") | {"isBase64Encoded": True}

    answer = invoke(sent)

    results = posted(answer)["results"]
    assert answer["statusCode"] == 207
    assert [result["status"] for result in results] == ["created", "invalid"]
    assert results[1]["errors"][0]["code"] == "unreadable_line"


def test_missing_body_is_400(ready: Engine) -> None:
    assert invoke(event())["statusCode"] == 400


def test_lone_surrogate_in_the_events_text_is_refused_not_an_error(ready: Engine) -> None:
    assert invoke(event('{"lead_id": "\ud800"}'))["statusCode"] == 422


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


PAYLOAD_1_0 = {
    "version": "1.0",
    "path": "/leads",
    "httpMethod": "POST",
    "headers": {"content-type": "application/json"},
    "requestContext": {"requestId": "request-1", "httpMethod": "POST", "path": "/leads"},
    "body": "[]",
    "isBase64Encoded": False,
}


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (PAYLOAD_1_0, "payload format 2.0"),
        ({}, "payload format 2.0"),
        ({"requestContext": None}, "payload format 2.0"),
        ({"requestContext": {"http": "POST"}}, "payload format 2.0"),
        (event("[]") | {"headers": ["content-type"]}, "headers"),
        (event("[]") | {"headers": None}, "headers"),
        ({name: part for name, part in event("[]").items() if name != "headers"}, "headers"),
        (event("[]") | {"headers": {"authorization": 1}}, "headers"),
        (event("[]") | {"headers": {"content-encoding": ["gzip"]}}, "headers"),
        (event("[]") | {"rawQueryString": {"mapping": "x"}}, "query"),
        (event() | {"body": {"lead_id": "1"}}, "not text"),
        (event() | {"body": 1}, "not text"),
        (event("\u00e9") | {"isBase64Encoded": True}, "not base64"),
        (event("e") | {"isBase64Encoded": True}, "not base64"),
        (event(_base64(b'{"lead_id": "\xff"}')) | {"isBase64Encoded": True}, "not UTF-8"),
        (event(_base64(b"\x80\xfe\x00")) | {"isBase64Encoded": True}, "not UTF-8"),
        (
            event(_base64(gzip.compress(b'["\xff"]')), content_encoding="gzip")
            | {"isBase64Encoded": True},
            "not UTF-8",
        ),
    ],
)
def test_event_of_another_form_is_a_clean_400(
    ready: Engine, sent: dict[str, Any], words: str
) -> None:
    answer = invoke(sent)

    assert answer["statusCode"] == 400
    problem = json.loads(answer["body"])
    assert problem["type"] == "urn:lead-billing:problem:malformed-request"
    assert words in problem["detail"]
    assert answer["headers"]["X-Correlation-Id"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/leads"), ("POST", "/other")])
def test_route_that_is_not_the_functions_is_404(ready: Engine, method: str, path: str) -> None:
    answer = invoke(event("{}", method, path))

    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert answer["statusCode"] == 404
    check_problem(404, headers, json.loads(answer["body"]), path)


def test_sent_correlation_id_comes_back(ready: Engine) -> None:
    answer = invoke(event("[]", x_correlation_id="order-7/a"))

    assert answer["headers"]["X-Correlation-Id"] == "order-7/a"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "a\r\nset-cookie: b", '{"a": 1}', "é"])
def test_hostile_correlation_id_is_replaced_by_the_requests_own(ready: Engine, sent: str) -> None:
    answer = invoke(event("[]", x_correlation_id=sent))

    assert answer["headers"]["X-Correlation-Id"] == "request-1"


def private_lead(**members: Any) -> Wire:
    return lead("l1", action(), user={"email": EMAIL, "phone": PHONE}) | members


@pytest.mark.parametrize(
    "change", [{}, {"lead_type": "Palm Reading"}, {"customer_id": "new"}, {"user": {"x": EMAIL}}]
)
def test_no_log_line_holds_personal_data(
    ready: Engine,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    change: Wire,
) -> None:
    for _ in range(2):
        invoke(event(json.dumps(private_lead(**change))))

    said = printed(capfd, caplog)
    assert EMAIL not in said
    assert PHONE not in said


def test_no_log_line_holds_personal_data_when_the_database_refuses(
    ready: Engine, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with ready.begin() as connection:
        connection.exec_driver_sql("alter table leads add check (user_email is null)")

    answer = invoke(event(json.dumps(private_lead())))

    said = printed(capfd, caplog)
    assert answer["statusCode"] == 500
    assert "CheckViolation 23514 leads" in said
    assert EMAIL not in answer["body"]
    assert EMAIL not in said
    assert PHONE not in said


def test_no_log_line_holds_personal_data_when_the_database_is_away(
    ready: Engine, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    closed = create_engine("postgresql+psycopg2://u:p@127.0.0.1:1/none")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "get_engine", lambda *_role: closed)
        patch.setattr(engine_module, "get_autocommit_engine", lambda *_role: closed)
        answer = invoke(event(json.dumps(private_lead())))

    said = printed(capfd, caplog)
    assert answer["statusCode"] == 503
    assert EMAIL not in said
    assert PHONE not in said


def test_metrics_count_leads_by_status_and_the_actions_added(
    ready: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = [lead("l1", action(), action("Call")), lead("l2", lead_type="Palm Reading")]
    invoke(event(json.dumps(batch)))

    lines = capsys.readouterr().out.splitlines()
    (metrics,) = [json.loads(line) for line in lines if line.startswith('{"_aws"')]
    assert (metrics["LeadsCreated"], metrics["LeadsInvalid"], metrics["ActionsAdded"]) == (
        [1],
        [1],
        [2],
    )


# --- hostile bodies


def whole(engine: Engine) -> bool:
    """Whether every stored action has its lead, and nothing is stored in part."""
    with engine.connect() as connection:
        orphans = connection.scalar(
            text(
                "select count(*) from actions left join leads using (lead_id)"
                " where leads.lead_id is null"
            )
        )
    return bool(orphans == 0)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
MEMBERS = ["lead_id", "customer_id", "product_id", "lead_type", "created_at", "actions", "user"]
DEEP = ["action_type", "timestamp", "engagement_level", "email", "phone", "external_id"]


@st.composite
def nearly_leads(draw: st.DrawFn) -> Any:
    """A lead with something hostile in one or two of its places."""
    made: Wire = lead(draw(st.text(max_size=130)), action(), action("Call"))
    for _ in range(draw(st.integers(0, 2))):
        target = draw(st.sampled_from([made, made["actions"][0] if made.get("actions") else made]))
        if isinstance(target, dict):
            target[draw(st.sampled_from(MEMBERS + DEEP))] = draw(JSON_VALUES)
        if not isinstance(made["actions"], list) or not made["actions"]:
            break
    return made


BODIES = (
    st.text(max_size=60)
    | st.lists(nearly_leads() | JSON_VALUES, max_size=4).map(json.dumps)
    | nearly_leads().map(json.dumps)
)


@examples(150)
@given(BODIES)
def test_no_body_is_an_error_of_ours_and_every_stored_lead_is_whole(
    ready: Engine, body: str
) -> None:
    answer = invoke(event(body))

    assert answer["statusCode"] in {200, 201, 202, 207, 400, 409, 413, 422}
    document = posted(answer)
    for result in document.get("results", []):
        assert result["actions_added"] == 0 or result["status"] in {"created", "updated"}
    assert whole(ready)


@examples(60)
@given(st.binary(max_size=80))
def test_no_bytes_are_an_error_of_ours(ready: Engine, body: bytes) -> None:
    answer = invoke(event(base64.b64encode(body).decode()) | {"isBase64Encoded": True})

    assert answer["statusCode"] in {400, 422, 207}
    posted(answer)


# --- the reporting service as a function


def reporting(sent: dict[str, Any]) -> Any:
    """The reporting function's answer, on the loop that its adapter made for itself."""
    asyncio.set_event_loop(adapter.LOOP)
    return adapter.lambda_handler(sent, LambdaContext(aws_request_id="aws-1"))  # type: ignore[arg-type]


def test_reports_are_the_same_through_lambda(ready: Engine) -> None:
    invoke(event(json.dumps(lead("l1", action(), action()))))

    answer = reporting(event(None, "GET", "/billing/reports/acme/2024-04"))

    bill = Report.model_validate_json(answer["body"])
    assert (answer["statusCode"], bill.totals.gross, bill.totals.billed) == (200, "20.00", "10.00")


def test_problems_are_the_same_through_lambda(ready: Engine) -> None:
    path = "/billing/reports/nobody/2024-04"

    answer = reporting(event(None, "GET", path))

    assert answer["isBase64Encoded"]
    document = json.loads(base64.b64decode(answer["body"]))
    check_problem(404, answer["headers"], document, path)


# --- settings


@pytest.fixture
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Settings]]:
    def read(**environment: str) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        return settings()

    yield read
    settings.cache_clear()


def test_user_hash_key_shorter_than_32_characters_is_refused(
    fresh_settings: Callable[..., Settings],
) -> None:
    with pytest.raises(ValidationError, match="at least 32 characters"):
        fresh_settings(USER_HASH_KEY="x" * 31)


def test_missing_user_hash_key_is_an_error_where_it_is_needed() -> None:
    with pytest.raises(LookupError, match="USER_HASH_KEY"):
        _ = Settings(user_hash_key=SecretStr("")).user_secret


def test_changed_user_hash_key_is_not_billed_with(ready: Engine) -> None:
    invoke(event(json.dumps(lead("l1", action()))))
    settings.cache_clear()
    forget_engines()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USER_HASH_KEY", "another-key-of-at-least-32-characters!")
        answer = invoke(event(json.dumps(lead("l2", action()))))
        forget_engines()

    assert answer["statusCode"] == 500
    with ready.connect() as connection:
        assert connection.scalar(text("select count(*) from leads")) == 1


def test_secrets_come_from_secrets_manager_where_one_is_named(
    fresh_settings: Callable[..., Settings],
) -> None:
    secret = {"username": "role", "password": "p@ss/word", "user_hash_key": "k" * 40}
    with mock_aws():
        made = boto3.client("secretsmanager").create_secret(
            Name="lead-billing", SecretString=json.dumps(secret)
        )

        read = fresh_settings(DATABASE_SECRET_ARN=made["ARN"], DATABASE_HOST="db.internal")

    url = read.sqlalchemy_url()
    assert (url.username, url.password, url.host) == ("role", "p@ss/word", "db.internal")
    assert read.user_secret == b"k" * 40


def test_last_known_secret_serves_while_secrets_manager_is_away(
    fresh_settings: Callable[..., Settings],
) -> None:
    secret = {"username": "role", "password": "known", "user_hash_key": "k" * 40}
    with mock_aws():
        client = boto3.client("secretsmanager")
        made = client.create_secret(Name="lead-billing", SecretString=json.dumps(secret))
        fresh_settings(DATABASE_SECRET_ARN=made["ARN"])
        client.delete_secret(SecretId=made["ARN"], ForceDeleteWithoutRecovery=True)

        read = fresh_settings(DATABASE_SECRET_ARN=made["ARN"])

    assert read.database_password.get_secret_value() == "known"
    assert read.user_secret == b"k" * 40


def test_secrets_are_not_shown(fresh_settings: Callable[..., Settings]) -> None:
    read = fresh_settings(DATABASE_PASSWORD="p@ssword", DATABASE_URL="postgresql://u:p@ssword@h/d")

    assert "p@ssword" not in repr(read)
    assert "tests-only-key" not in repr(read)


def test_lead_without_user_can_be_given_one_of_its_own(
    ready: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISSING_USER", "per_lead")
    settings.cache_clear()
    batch = [lead(f"l{number}", action()) | {"user": None} for number in range(3)]

    invoke(event(json.dumps(batch)))
    answer = reporting(event(None, "GET", "/billing/reports/acme/2024-04"))

    assert json.loads(answer["body"])["totals"]["billed"] == "30.00"
