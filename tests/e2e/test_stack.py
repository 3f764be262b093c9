"""A whole stack, from nothing to nothing. In this order: each test finds what the last one left."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from scripts.sample_data import CUSTOMERS, LEADS, REPORTS
from scripts.stack import aws, docker, emulator, keys, sample, tasks, terraform
from scripts.stack.report import StackError
from scripts.stack.settings import Stack
from tests.e2e.conftest import Ran, step

ADD_PODCAST = """
from common.database.engine import get_engine
with get_engine().begin() as connection:
    connection.exec_driver_sql("insert into lead_types values ('Podcast', 'podcast')")
"""

WHO_IS_SIGNED_IN = """
from common.database.engine import get_engine
with get_engine().begin() as connection:
    rows = connection.exec_driver_sql(
        "select distinct usename from pg_stat_activity"
        " where application_name = 'lead-billing' and pid <> pg_backend_pid() order by 1")
    print("signed in:", *rows.scalars(), flush=True)
"""
CHANGE_A_LEAD = """
from common.database.engine import get_engine
with get_engine().begin() as connection:
    connection.exec_driver_sql("update leads set user_email = null")
"""

# Past the check of addresses: the sender function must refuse it by itself, and calls nobody.
ADD_WEBHOOK = """
from common.database.transactions import transaction
from common.events.models import Webhook
from common.events.signing import new_salt
told = {"events": ["report.finalized"], "secret_salt": new_salt()}
with transaction() as session:
    session.add(Webhook(url="https://127.0.0.1/", **told))
"""
APRIL_OF_456 = "/billing/reports/customer-456/2024-04"
BILLING = "billing@beta.example"


def docker_says(*command: str) -> str:
    return subprocess.run(
        ["docker", *command], capture_output=True, text=True, check=True
    ).stdout.strip()


def task_container(stack: Stack) -> str:
    """The reporting container's id; empty while there is none."""
    filters = ["--filter", f"label={docker.LABEL}={stack.owner}", "--filter", "label=ministack=ecs"]
    return docker_says("ps", "--quiet", *filters)


def admit(database: str, *, connections: bool) -> None:
    """Has the database's container take connections, or cut what there are and refuse more."""
    statements = (
        f'alter database :"name" allow_connections {connections}',
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = :'name'",
    )
    psql = 'psql -U "$POSTGRES_USER" -d template1 -v ON_ERROR_STOP=1 -v name="$POSTGRES_DB"'
    subprocess.run(
        ["docker", "exec", "--interactive", database, "sh", "-c", psql],
        input="".join(f"{statement};\n" for statement in statements),
        capture_output=True,
        text=True,
        check=True,
    )


def test_up_prints_the_sample_to_the_cent(up: Ran) -> None:
    assert "gross 22.00  billed 12.00  duplicate savings 10.00  cap savings 0.00  USD" in up.said
    assert "gross 7.00  billed 7.00" in up.said
    assert "gross 10.00  billed 10.00" in up.said


def test_reports_through_the_gateway_are_exact(stack: Stack) -> None:

    reports = {
        (customer, period): sample.ask(stack, "GET", f"/billing/reports/{customer}/{period}").json()
        for customer, period in REPORTS
    }

    billed = {key: report["totals"]["billed"] for key, report in reports.items()}
    assert billed == {
        ("customer-123", "2024-04"): "12.00",
        ("customer-456", "2024-04"): "7.00",
        ("customer-123", "2024-05"): "10.00",
    }
    april = reports["customer-123", "2024-04"]["totals"]
    assert (april["gross"], april["savings"]["duplicate"]) == ("22.00", "10.00")


def test_every_route_of_the_contract_answers(stack: Stack) -> None:
    ran = step("smoke")

    assert ran.code == 0, ran.said
    assert "FAIL" not in ran.said


def test_post_ran_in_the_function_and_get_in_the_container(stack: Stack) -> None:
    groups = terraform.outputs(stack)["log_group_names"]

    function = "\n".join(line for _, line in aws.log_lines(stack, groups["ingest"]))
    container = [line for _, line in aws.log_lines(stack, groups["reports"])]

    answered = [json.loads(line) for line in container if '"message":"answered"' in line]
    routes = {(record["method"], record["route"]) for record in answered}
    assert "START RequestId" in function
    assert ("GET", "/billing/reports/{customer_id:id}/{period}") in routes
    assert ("POST", "/leads") not in routes


def test_function_and_service_sign_in_as_themselves_and_never_as_the_owner(stack: Stack) -> None:
    sample.ask(stack, "POST", "/leads", json.loads(LEADS.read_bytes())[0])
    sample.ask(stack, "GET", "/customers")

    said = tasks.run_task(stack, "migrate", ["python", "-c", WHO_IS_SIGNED_IN])

    assert "signed in: lead_billing_function lead_billing_service" in said
    with pytest.raises(StackError, match="exited with"):
        tasks.run_task(stack, "reports", ["python", "-c", CHANGE_A_LEAD])


def test_each_part_may_read_its_own_secret_alone(stack: Stack) -> None:
    read = {
        role: secrets_read_by(stack, role, policy)
        for role, policy in (
            (f"{stack.name}-ingest", "function"),
            (f"{stack.name}-queue", "function"),
            (f"{stack.name}-reports-execution", "start-container"),
            (f"{stack.name}-close-execution", "start-container"),
            (f"{stack.name}-verify-execution", "start-container"),
            (f"{stack.name}-migrate-execution", "start-container"),
        )
    }

    service = ["service"]
    of_tasks = [service, service, service, ["migrations"]]
    assert list(read.values()) == [["function"], ["function"], *of_tasks]


def aws_says(stack: Stack, *command: str) -> Any:
    """What the command line of AWS prints, as JSON."""
    said = subprocess.run(
        [stack.venv / "bin" / "aws", "--output", "json", *command],
        env={**os.environ, **emulator.client_environment(stack)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return json.loads(said)


def statements_of(stack: Stack, role: str, policy: str) -> list[dict[str, Any]]:
    named = ("--role-name", role, "--policy-name", policy)
    said: dict[str, Any] = aws_says(stack, "iam", "get-role-policy", *named)
    statements: list[dict[str, Any]] = said["PolicyDocument"]["Statement"]
    return statements


def permissions_of(stack: Stack, role: str, policy: str) -> set[str]:
    return {
        action for statement in statements_of(stack, role, policy) for action in statement["Action"]
    }


def secrets_read_by(stack: Stack, role: str, policy: str) -> list[str]:
    """The last part of the names of the secrets, less the six letters that AWS appends."""
    arns = [
        arn
        for statement in statements_of(stack, role, policy)
        if statement["Action"] == ["secretsmanager:GetSecretValue"]
        for arn in statement["Resource"]
    ]
    return [arn.rsplit("/", 1)[-1].rsplit("-", 1)[0] for arn in arns]


def test_no_secret_is_in_the_state(stack: Stack) -> None:
    variables = json.loads((stack.state / "variables.tfvars.json").read_text())
    state = terraform.state_file(stack).read_text()

    secrets = [name for name in variables if name.endswith(("_password", "_key"))]

    assert len(secrets) == 4
    assert [name for name in secrets if variables[name] in state] == []


def test_container_is_read_only_and_not_root(stack: Stack) -> None:
    container = task_container(stack)

    described = json.loads(docker_says("inspect", container))[0]

    assert described["HostConfig"]["ReadonlyRootfs"]
    assert docker_says("exec", container, "id", "-u") == "10001"
    for tool in ("pip", "gcc", "cc", "make"):
        found = subprocess.run(["docker", "exec", container, "which", tool], check=False)
        assert found.returncode != 0, tool


def test_nothing_listens_beyond_this_machine(stack: Stack) -> None:
    published = [
        docker_says("inspect", "--format", "{{json .NetworkSettings.Ports}}", container)
        for container in docker.containers(stack)
    ]

    assert published
    assert not any("0.0.0.0" in ports or '"::"' in ports for ports in published)  # noqa: S104


def test_function_can_be_invoked_directly(stack: Stack) -> None:
    ran = step("invoke", EVENT="post_one_lead")

    assert ran.code == 0, ran.said
    assert '"statusCode": 200' in ran.said


def test_plan_after_apply_is_empty(stack: Stack) -> None:
    assert not terraform.has_changes(stack)


def test_steps_can_be_run_again(stack: Stack) -> None:
    ran = step("emulator", "tf-init", "tf-apply", "migrate", "sample")

    assert ran.code == 0, ran.said
    assert "0 added, 0 changed, 0 destroyed" in ran.said
    assert "leads: 4 unchanged" in ran.said


def test_zips_are_the_same_bytes_when_built_again(stack: Stack) -> None:
    before = {name: (stack.state / f"{name}.zip").read_bytes() for name in ("ingest", "reports")}

    ran = step("package")

    assert ran.code == 0, ran.said
    assert {name: (stack.state / f"{name}.zip").read_bytes() for name in before} == before


def test_killed_task_is_replaced(stack: Stack) -> None:
    killed = task_container(stack)

    docker_says("kill", killed)

    aws.wait_for(
        "Another task", 150, lambda: task_container(stack) not in ("", killed), "look at the log"
    )
    sample.wait_until_ready(stack)


@pytest.fixture
def quick_queue(stack: Stack) -> Iterator[dict[str, str]]:
    """The outputs of a stack whose queue hands a failed message out again after a second."""
    deployed = terraform.outputs(stack)
    queue = {"QueueUrl": deployed["queue_url"]}

    def hide_for(seconds: str) -> None:
        attributes = {"Attributes": {"VisibilityTimeout": seconds}}
        aws.call(stack, "sqs", "AmazonSQS.SetQueueAttributes", queue | attributes)

    hide_for("1")
    yield deployed
    hide_for("180")


def messages_in(stack: Stack, queue_url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    names += ["ApproximateNumberOfMessagesDelayed"]
    body = {"QueueUrl": queue_url, "AttributeNames": names}
    answer = aws.call(stack, "sqs", "AmazonSQS.GetQueueAttributes", body)
    return sum(int(count) for count in answer["Attributes"].values())


def test_lead_posted_while_the_database_is_away_is_stored_once_when_it_is_back(
    stack: Stack, quick_queue: dict[str, str]
) -> None:
    lead = json.loads(LEADS.read_bytes())[0] | {"lead_id": "while-it-was-away"}
    filters = ["--filter", f"label={docker.LABEL}={stack.owner}", "--filter", "label=ministack=rds"]
    database = docker_says("ps", "--quiet", *filters)

    # Not stopped: the emulator keeps its data in memory, and roles and tables would be gone.
    admit(database, connections=False)
    try:
        single = sample.ask(stack, "POST", "/leads", lead)
        batch = sample.ask(stack, "POST", "/leads", [lead, {"lead_id": "bad"}])
    finally:
        admit(database, connections=True)

    assert (single.status, single.json()["results"][0]["status"]) == (202, "queued")
    assert batch.status == 202
    assert [result["status"] for result in batch.json()["results"]] == ["queued", "invalid"]
    aws.wait_for(
        "The queued lead",
        150,
        lambda: sample.ask(stack, "GET", "/leads/while-it-was-away").status == 200,
        "make logs PART=queue",
    )
    aws.wait_for(
        "An empty queue",
        60,
        lambda: messages_in(stack, quick_queue["queue_url"]) == 0,
        "make logs PART=queue",
    )
    again = sample.ask(stack, "POST", "/leads", lead)
    assert (again.status, again.json()["unchanged"]) == (200, 1)
    stored = sample.ask(stack, "GET", "/leads/while-it-was-away").json()
    assert len(stored["actions"]) == len(lead["actions"])
    assert messages_in(stack, quick_queue["dead_letters_url"]) == 0


def test_bad_message_becomes_a_dead_letter_and_can_be_replayed(
    stack: Stack, quick_queue: dict[str, str]
) -> None:
    lead = json.loads(LEADS.read_bytes())[0]
    stray = lead | {"lead_id": "of-a-new-type", "lead_type": "Podcast"}
    body = {"QueueUrl": quick_queue["queue_url"], "MessageBody": json.dumps([stray])}
    aws.call(stack, "sqs", "AmazonSQS.SendMessage", body)
    aws.wait_for(
        "A dead letter",
        120,
        lambda: messages_in(stack, quick_queue["dead_letters_url"]) == 1,
        "make logs PART=queue",
    )
    tasks.run_task(stack, "migrate", ["python", "-c", ADD_PODCAST])

    ran = step("replay-dlq")

    assert ran.code == 0, ran.said
    assert "moved 1 dead letter back to the queue" in ran.said
    aws.wait_for(
        "The replayed lead",
        60,
        lambda: sample.ask(stack, "GET", "/leads/of-a-new-type").status == 200,
        "make logs PART=queue",
    )
    assert messages_in(stack, quick_queue["dead_letters_url"]) == 0


def test_container_stops_by_itself_when_asked(stack: Stack) -> None:
    image = docker_says("inspect", "--format", "{{.Config.Image}}", task_container(stack))
    container = docker_says("run", "--detach", "--read-only", image)
    try:
        health = ["exec", container, "python", "-c"]
        health += ["import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live')"]
        for _ in range(60):
            if subprocess.run(["docker", *health], check=False, capture_output=True).returncode:
                time.sleep(0.5)
            else:
                break
        started = time.monotonic()

        docker_says("stop", "--time", "30", container)

        # 137 would be SIGKILL: the process did not listen.
        assert docker_says("inspect", "--format", "{{.State.ExitCode}}", container) in ("0", "143")
        assert time.monotonic() - started < 20
    finally:
        docker_says("rm", "--force", container)


def test_failing_migration_ends_with_its_cause(stack: Stack) -> None:
    with pytest.raises(StackError, match="exited with") as raised:
        tasks.run_task(stack, "migrate", ["python", "-m", "alembic", "upgrade", "no-such-revision"])

    assert "make migrate" in raised.value.remedy


def test_file_of_leads_is_imported(stack: Stack) -> None:
    file = (
        "lead_id,customer_id,product_id,lead_type,created_at,action_type,timestamp,engagement_level"
        "\nof-a-file,customer-123,product-abc,Event,2024-05-03T10:00:00Z,"
        "Visit,2024-05-03T10:00:00Z,Low\n"
    )
    address, key = f"{sample.gateway(stack)}/imports", keys.authorization(stack)

    imported = aws.request("POST", address, file.encode(), key | {"Content-Type": "text/csv"})

    assert imported.status == 201, imported.body
    assert sample.ask(stack, "GET", "/leads/of-a-file").status == 200


def test_export_is_made_in_the_bucket_and_downloaded_from_there(stack: Stack) -> None:
    wanted = {"kind": "reports", "format": "ndjson", "period": "2024-04"}
    export_id = sample.json_of(sample.ask(stack, "POST", "/exports", wanted), (202,))["export_id"]
    address = f"{sample.gateway(stack)}/exports/{export_id}"
    client = httpx.Client(headers=keys.authorization(stack), trust_env=False)

    def ready() -> httpx.Response:
        return client.get(address)

    with client:
        aws.wait_for("The export", 60, lambda: ready().status_code == 303, "make logs PART=reports")
        file = ready().headers["location"]

    lines = httpx.get(file, trust_env=False).text.splitlines()
    due = {report["customer_id"]: report["due"] for report in map(json.loads, lines)}
    assert due["customer-456"] == "7.00"
    assert f"/{stack.name}-files/exports/" in file


def test_schedules_own_command_closes_what_is_due_and_signs_it(stack: Stack) -> None:
    customer = CUSTOMERS["customer-456"] | {"billing_email": BILLING}
    sample.json_of(sample.ask(stack, "PUT", "/customers/customer-456", customer), (200,))
    tasks.run_task(stack, "reports", ["python", "-c", ADD_WEBHOOK])

    ran = step("close-due")

    assert ran.code == 0, ran.said
    assert '"period": "2024-04", "closed": 2' in ran.said
    april = sample.ask(stack, "GET", APRIL_OF_456).json()
    assert (april["status"], april["due"]) == ("final", "7.00")
    runs = sample.ask(stack, "GET", "/billing/runs").json()["data"]
    assert {run["actor"] for run in runs} == {"schedule"}
    assert april["signature"]
    heads = sample.ask(stack, "GET", "/billing/heads").json()["data"]
    kept = aws_says(stack, "s3api", "list-objects-v2", "--bucket", f"{stack.name}-heads")
    assert f"heads/{heads[0]['head']:010d}.json" in {each["Key"] for each in kept["Contents"]}


def test_scheduled_check_finds_nothing_wrong(stack: Stack) -> None:
    said = tasks.run_task(stack, "verify", ["python", "-m", "services.reports.verify_all"])

    assert said[-1].endswith("0 things are wrong")


def test_only_the_closing_task_may_sign(stack: Stack) -> None:
    may = {
        part: aws_says(
            stack, "iam", "list-role-policies", "--role-name", f"{stack.name}-{part}-task"
        )["PolicyNames"]
        for part in ("reports", "close", "verify", "migrate")
    }
    actions = {
        part: permissions_of(stack, f"{stack.name}-{part}-task", name)
        for part, names in may.items()
        for name in names
        if name == "permissions"
    }

    assert [part for part, named in actions.items() if "kms:Sign" in named] == ["close"]
    assert [part for part, named in actions.items() if "ses:SendEmail" in named] == ["reports"]


def test_statement_is_mailed_and_its_delivery_noted(stack: Stack) -> None:
    def mails() -> list[dict[str, Any]]:
        answer = aws.request("GET", f"{stack.url}/_ministack/ses/messages").json()
        return [mail for sent in answer["messages"].values() for mail in sent]

    def status() -> str:
        deliveries = f"{APRIL_OF_456}/deliveries"
        return str(sample.ask(stack, "GET", deliveries).json()["data"][0]["status"])

    aws.wait_for("The mail", 60, lambda: status() == "sent", "make logs PART=reports")
    (mail,) = [mail for mail in mails() if "for April 2024" in mail["Subject"]]
    event = {"eventType": "Delivery", "mail": {"messageId": mail["MessageId"]}}
    topic = f"arn:aws:sns:{stack.region}:000000000000:{stack.name}-mail-events"
    told = ("--topic-arn", topic, "--message", json.dumps(event))

    aws_says(stack, "sns", "publish", *told)

    assert mail["To"] == [BILLING]
    aws.wait_for("The delivery", 60, lambda: status() == "delivered", "make logs PART=reports")


def test_webhook_is_sent_by_the_function_which_refuses_an_address_inside(stack: Stack) -> None:
    (webhook,) = sample.ask(stack, "GET", "/webhooks").json()["data"]
    path = f"/webhooks/{webhook['webhook_id']}/deliveries"

    def errors() -> set[str | None]:
        return {each["last_error"] for each in sample.ask(stack, "GET", path).json()["data"]}

    aws.wait_for("An attempt", 60, lambda: errors() > {None}, "make logs PART=reports")

    assert errors() - {None} == {"leads to an address that is not public"}
    log = aws.log_lines(stack, f"/aws/lambda/{stack.name}-webhooks")
    assert any("START RequestId" in line for _, line in log)


def test_function_can_serve_the_reports_instead(stack: Stack) -> None:
    ran = step("tf-apply", "sample", "smoke", REPORTS_RUNTIME="lambda")

    assert ran.code == 0, ran.said
    assert task_container(stack) == ""


def test_dead_emulator_is_named_with_its_remedy(stack: Stack) -> None:
    os.kill(int(emulator.read(stack)["pid"]), signal.SIGKILL)
    time.sleep(1)

    ran = step("tf-apply")

    assert ran.code == 1
    assert "is not up" in ran.said
    assert "make up" in ran.said


def test_down_leaves_nothing_even_of_a_dead_stack(stack: Stack) -> None:
    ran = step("down")

    assert ran.code == 0, ran.said
    assert docker.containers(stack) == []
    assert not stack.state.exists()
