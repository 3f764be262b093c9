"""The function while the database is away: which failures it tries again, and its answers."""

import json
import logging
import time

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import Engine, create_engine, make_url, text

from common.database.engine import forget_engines
from common.settings import settings
from functions.ingest import storage
from functions.ingest.handler import handler
from scripts.gateway import LambdaContext
from tests.support.api import action, check_problem, lead
from tests.support.failing_database import CUT, PASSING, fails, post, raising, stored
from tests.support.function import event, posted
from tests.support.waiting_leads import Queue

# --- trying again


@pytest.mark.parametrize("state", PASSING)
def test_failure_that_may_pass_is_tried_again(ready: Engine, impatient: None, state: str) -> None:
    fails(ready, raising(state), times=2)

    answer = post(lead("l1", action()))

    assert (answer["statusCode"], stored(ready)) == (201, {"l1": 1})


def test_connection_cut_in_the_middle_is_tried_again(ready: Engine, impatient: None) -> None:
    fails(ready, CUT, times=1)

    answer = post([lead("l1", action()), lead("l2", action(), action())])

    assert (answer["statusCode"], stored(ready)) == (201, {"l1": 1, "l2": 2})


def test_connection_that_went_stale_while_resting_is_replaced(ready: Engine) -> None:
    post(lead("l1", action()))
    with create_engine(ready.url).begin() as other:
        other.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )

    assert post(lead("l2", action()))["statusCode"] == 201


@pytest.mark.parametrize("state", PASSING)
def test_failure_that_does_not_pass_is_503_with_retry_after(
    ready: Engine, impatient: None, state: str
) -> None:
    fails(ready, raising(state))

    answer = post(lead("l1", action()))

    posted(answer)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("state", ["23514", "22001", "42501", "XX000"])
def test_what_can_never_succeed_is_500_at_once_and_not_queued(
    ready: Engine, queue: Queue, state: str
) -> None:
    fails(ready, raising(state))

    answer = post(lead("l1", action()))

    with ready.connect() as connection:
        tried = connection.scalar(text("select last_value from failures"))
    assert answer["statusCode"] == 500
    assert tried == 1
    assert queue.bodies() == []


def test_statement_that_takes_too_long_is_ended_by_the_server(
    ready: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAX_SECONDS", 0.3)
    fails(ready, "perform pg_sleep(30)")

    answer = post(lead("l1", action()))

    with create_engine(ready.url).begin() as other:
        running = other.scalar(
            text(
                "select count(*) from pg_stat_activity where state = 'active'"
                " and pid <> pg_backend_pid() and datname = current_database()"
            )
        )
    assert (answer["statusCode"], running) == (503, 0)


def test_no_attempt_begins_when_the_function_is_nearly_out_of_time(ready: Engine) -> None:
    nearly_over = LambdaContext(aws_request_id="aws-1", _deadline=0.0)

    answer = handler(event(json.dumps(lead("l1", action()))), nearly_over)

    assert (answer["statusCode"], stored(ready)) == (503, {})


def test_attempt_is_as_short_as_what_is_left_of_the_functions_time(ready: Engine) -> None:
    fails(ready, "perform pg_sleep(30)")
    post([lead("unknown", product_id="lost")])  # it is connected, and has prepared its statement
    began = time.monotonic()
    nearly_over = LambdaContext(aws_request_id="aws-1", _deadline=began + 11)  # 10 are reserved

    answer = handler(event(json.dumps(lead("l1", action()))), nearly_over)

    assert answer["statusCode"] == 503
    assert time.monotonic() - began < 6  # and not the 12 seconds that an attempt may take


def test_rotated_password_is_read_again(
    ready: Engine, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    url = make_url(str(ready.url.render_as_string(hide_password=False)))

    def secret(password: str) -> str:
        keys = {"username": "rotated", "password": password, "user_hash_key": "k" * 40}
        return json.dumps(keys)

    def rotate(password: str) -> None:
        with create_engine(url).begin() as connection:
            connection.exec_driver_sql(f"alter role rotated superuser login password '{password}'")
            connection.exec_driver_sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rotated'"
            )

    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("drop role if exists rotated")
        connection.exec_driver_sql("create role rotated")
    rotate("first")
    with mock_aws():
        client = boto3.client("secretsmanager")
        arn = client.create_secret(Name="lead-billing", SecretString=secret("first"))["ARN"]
        for name, value in {
            "DATABASE_SECRET_ARN": arn,
            "DATABASE_HOST": str(url.host),
            "DATABASE_PORT": str(url.port),
            "DATABASE_NAME": str(url.database),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DATABASE_URL")
        settings.cache_clear()
        forget_engines()
        before = post(lead("l1", action()))
        rotate("second")
        client.put_secret_value(SecretId=arn, SecretString=secret("second"))

        after = post(lead("l2", action()))

        forget_engines()
    assert (before["statusCode"], after["statusCode"]) == (201, 201)
    with create_engine(url).begin() as connection:
        connection.exec_driver_sql("drop role rotated")


def test_secret_that_cannot_be_read_is_503(
    ready: Engine, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setenv("DATABASE_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:1:secret:gone")
    settings.cache_clear()
    forget_engines()
    with mock_aws():
        answer = post(lead("l1", action()))

    assert answer["statusCode"] == 503
    monkeypatch.delenv("DATABASE_SECRET_ARN")
    settings.cache_clear()


def test_503_document_is_the_contracts(ready: Engine, impatient: None) -> None:
    fails(ready, raising("57P01"))

    answer = post([lead("l1", action())])

    headers = {name.lower(): value for name, value in answer["headers"].items()}
    check_problem(503, headers, json.loads(answer["body"]), "/leads")


def test_full_disk_says_so_and_is_one_line_of_the_log(
    ready: Engine, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    fails(ready, raising("53100"))

    answer = post(lead("l1", action()))

    assert "disk is full" in json.loads(answer["body"])["detail"]
    away = [line for line in caplog.records if line.levelno >= logging.WARNING]
    assert [(line.message, line.exc_info) for line in away] == [("the database is away", None)]
