"""The infrastructure's files keep their promises: generated ones current, no addresses in locks."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.stack import checks
from scripts.stack.settings import ROOT

EVENTS = sorted((ROOT / "functions" / "ingest" / "events").glob("*.json"))
LOCKS = sorted((ROOT / "scripts" / "stack").rglob("requirements.txt"))


def test_readmes_of_the_modules_are_current() -> None:
    checks.check_readmes()


def test_readme_of_a_module_explains_every_variable_and_output() -> None:
    for module in checks.modules():
        for file, kind in (("variables.tf", "variable"), ("outputs.tf", "output")):
            for name, body in checks.blocks(module / file, kind):
                assert checks.description(body), f"{module.name}: {name}"


def test_commands_of_the_stack_need_nothing_but_the_standard_library() -> None:
    """They run with the machine's own Python, before anything is installed."""
    command = [sys.executable, "-S", "-c", "import scripts.stack.__main__"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_only_the_environment_knows_an_endpoint() -> None:
    for file in (ROOT / "terraform" / "modules").rglob("*.tf"):
        text = file.read_text()
        assert 'provider "aws"' not in text, file
        assert "localhost" not in text, file
        assert "endpoints {" not in text, file


def test_each_part_is_given_its_own_secret_alone() -> None:
    wiring = (ROOT / "terraform" / "envs" / "local" / "main.tf").read_text()
    modules = re.findall(r'^module "(\w+)" {\n(.*?)^}', wiring, re.MULTILINE | re.DOTALL)

    given = {name: set(re.findall(r'secret_arns\["(\w+)"\]', body)) for name, body in modules}

    assert {name: parts for name, parts in given.items() if parts} == {
        "ingest": {"function"},
        "ingest_queue": {"function"},
        "imports": {"function"},
        "migrate_task": {"migrations"},
        "reports_task": {"service"},
        "close_task": {"service"},
        "verify_task": {"service"},
        "reports_function": {"service"},
    }
    assert wiring.count("secret_arns[") == sum(
        body.count("secret_arns[") for _, body in modules
    )  # none by way of a local


def test_schedule_and_its_command_mean_the_same_day() -> None:
    wiring = (ROOT / "terraform" / "envs" / "local" / "main.tf").read_text()
    schedule = wiring.partition('module "close_schedule"')[2].partition("\n}")[0]

    # 12:30 UTC: before noon the 1st has not begun in every time zone.
    assert '"cron(30 12 ${1 + var.close_grace_days} * ? *)"' in schedule
    assert '"--grace-days", tostring(var.close_grace_days)]' in schedule


def test_one_task_alone_is_given_the_key_to_sign_with() -> None:
    wiring = (ROOT / "terraform" / "envs" / "local" / "main.tf").read_text()
    modules = re.findall(r'^module "(\w+)" {\n(.*?)^}', wiring, re.MULTILINE | re.DOTALL)

    for name in ("signing_key_arn", "seal_permissions", "SIGNING_KMS_KEY"):
        assert [module for module, body in modules if name in body] == ["close_task"]
    assert "signer_role_arn = module.close_task.task_role_arn" in wiring


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name)
def test_locks_carry_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()

    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "index" not in text


@pytest.mark.parametrize("file", EVENTS, ids=lambda file: file.stem)
def test_events_are_what_the_gateway_sends(file: Path) -> None:
    event = json.loads(file.read_text())

    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /leads"
    assert isinstance(event["body"], str)


def test_every_process_of_a_deployment_limits_what_a_key_may_make() -> None:
    wiring = (ROOT / "terraform" / "envs" / "local" / "main.tf").read_text()

    # What all functions are given, and the task.
    shared = wiring.partition("function_environment = ")[2].partition("})")[0]
    task = wiring.partition('module "reports_task"')[2].partition("\n}")[0]
    for environment in (shared, task):
        given = "RATE_LIMIT_UNITS_PER_MINUTE = tostring(var.units_per_minute_of_a_key)"
        assert given in environment
    # The function that posts webhooks is called by the service alone.
    functions = wiring.count("modules/lambda") - wiring.count('module "webhooks"')
    assert wiring.count("merge(local.function_environment") == functions


def test_test_that_hangs_fails_by_its_name(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("timeout")
    assert 0 < float(pytestconfig.getini("timeout")) <= 300
