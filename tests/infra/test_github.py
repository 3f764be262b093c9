"""The workflows call commands that exist and pin their actions; the templates are complete."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.stack import images
from scripts.stack.settings import stack

PROJECT = Path(__file__).resolve().parents[2]
GITHUB = PROJECT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*"))
ACTIONS = {
    "actions/checkout",
    "actions/setup-python",
    "actions/upload-artifact",
    "hashicorp/setup-terraform",
}


def read(file: Path) -> dict[str, Any]:
    """A file of YAML. The parser reads the key `on` as true, as YAML 1.1 says."""
    document = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}


def commands(workflow: str) -> str:
    """The shell commands of a workflow."""
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
        assert job["timeout-minutes"] <= 120
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


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_issue_form_is_one_that_github_shows(file: Path) -> None:
    form = read(file)

    assert {"name", "description", "body"} <= form.keys()
    questions = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in questions}) == len(questions)
    for field in questions:
        assert field["type"] in {"input", "textarea", "dropdown", "checkboxes"}
        assert field["attributes"]["label"]
        assert ("options" in field["attributes"]) == (field["type"] in {"dropdown", "checkboxes"})


def test_licence_is_the_one_that_is_declared() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    files = [list(PROJECT.glob(pattern)) for pattern in project["license-files"]]

    assert project["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (PROJECT / "LICENSE").read_text()
    assert all(files)  # the product's own, then those of its fonts


def test_there_is_a_form_for_a_bug_and_for_a_feature() -> None:
    assert [file.name for file in FORMS] == ["bug.yml", "feature.yml"]


def test_commands_of_the_pull_request_template_can_be_made() -> None:
    template = (GITHUB / "pull_request_template.md").read_text()

    for targets in re.findall("`make ([^`]*)`", template):
        assert can_be_made(targets), targets
