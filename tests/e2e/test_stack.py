"""A whole stack, from nothing to nothing. In this order: each test finds what the last one left."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from scripts.sample_data import LEADS, REPORTS
from scripts.stack import aws, docker, emulator, sample, tasks, terraform
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
            (f"{stack.name}-migrate-execution", "start-container"),
        )
    }

    assert list(read.values()) == [["function"], ["function"], ["service"], ["migrations"]]


def secrets_read_by(stack: Stack, role: str, policy: str) -> list[str]:
    """The last part of the names of the secrets, less the six letters that AWS appends."""
    said = subprocess.run(
        [
            *(stack.venv / "bin" / "aws", "--endpoint-url", stack.url, "--region", stack.region),
            *("iam", "get-role-policy", "--role-name", role, "--policy-name", policy),
        ],
        env={**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    statements = json.loads(said)["PolicyDocument"]["Statement"]
    arns = [
        arn
        for statement in statements
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


def test_schedules_own_command_closes_what_is_due(stack: Stack) -> None:
    ran = step("close-due")

    assert ran.code == 0, ran.said
    assert '"period": "2024-04", "closed": 2' in ran.said
    april = sample.ask(stack, "GET", "/billing/reports/customer-456/2024-04").json()
    assert (april["status"], april["due"]) == ("final", "7.00")
    runs = sample.ask(stack, "GET", "/billing/runs").json()["data"]
    assert {run["actor"] for run in runs} == {"schedule"}


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
