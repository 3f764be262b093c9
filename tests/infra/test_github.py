"""The workflows call what is there and trust nobody by a movable name."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.stack import images
from scripts.stack.settings import stack

PROJECT = Path(__file__).resolve().parents[2]
GITHUB = PROJECT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*"))
ACTIONS = {"actions/checkout", "actions/setup-python", "actions/upload-artifact"}


def read(file: Path) -> dict[str, Any]:
    """A file of YAML; the key `on` is a truth value to YAML 1.1, which this reader speaks."""
    document = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}


def commands(workflow: str) -> str:
    """All that a workflow runs."""
    jobs = read(GITHUB / "workflows" / workflow)["jobs"].values()
    return "\n".join(step.get("run", "") for job in jobs for step in job["steps"])


def can_be_made(targets: str) -> bool:
    command = ["make", "--dry-run", *targets.split()]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflow_may_read_and_uses_pinned_actions_alone(file: Path) -> None:
    workflow = read(file)

    assert workflow["permissions"] == {"contents": "read"}
    assert {"push", "pull_request"} <= workflow["on"].keys()
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            name, _, commit = step.get("uses", "").partition("@")
            assert ("run" in step) != (name in ACTIONS)
            assert not name or re.fullmatch("[0-9a-f]{40}", commit)


def test_ci_runs_what_every_change_must_pass() -> None:
    assert ".ci/run" in commands("ci.yml").splitlines()
    assert (PROJECT / ".ci" / "run").stat().st_mode & 0o100


def test_packages_are_built_and_kept_where_they_are_made() -> None:
    run = commands("packages.yml")
    (build,) = re.findall("^make (.*)$", run, re.MULTILINE)
    assert set(build.split()) == {"image", "package"}
    assert can_be_made(build)
    assert set(re.findall(r"lead-billing-reports:\w+", run)) == {f"{images.REPORTS}:built"}

    steps = read(GITHUB / "workflows" / "packages.yml")["jobs"]["build"]["steps"]
    kept = steps[-1]["with"]["path"].split()

    image, zips = kept
    assert f"> {image}" in run
    assert PROJECT / zips == stack().state / "*.zip"


def test_packages_workflow_brings_compose_up() -> None:
    run = commands("packages.yml")

    services = read(PROJECT / "compose.yaml")["services"]

    (started,) = re.findall(r"^docker compose up .* (\w+)$", run, re.MULTILINE)
    assert started in services


def test_dev_container_installs_by_make_and_finds_the_environment() -> None:
    container = json.loads((PROJECT / ".devcontainer" / "devcontainer.json").read_text())

    _, _, target = container["postCreateCommand"].rpartition("make ")
    settings = container["customizations"]["vscode"]["settings"]

    assert can_be_made(target)
    assert settings["python.defaultInterpreterPath"] == f"{Path(target).parent}/bin/python"
