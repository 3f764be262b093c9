"""What `make audit` must find, and what it must say when it could not ask."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import supply_chain
from scripts.cli import CommandError
from scripts.supply_chain import (
    ROOT,
    _secrets,
    check_advisories,
    check_locks,
    locked_versions,
    make_sbom,
    run,
)

# Put together here, so that this file holds none itself.
KEYS = ["AKIA" + "Z7Q2M4X6T8B1C3D5", "-----BEGIN RSA " + "PRIVATE KEY-----", "ghp_" + "a1B2" * 9]


@pytest.mark.parametrize("key", KEYS)
def test_key_of_a_known_form_is_found(tmp_path: Path, key: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(f"nothing here\nkey = {key}\n")

    assert [found.partition(" ")[0] for found in _secrets([file])] == ["notes.txt:2"]


def test_lock_without_a_hash_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(supply_chain, "ROOT", tmp_path)
    lock = tmp_path / "requirements.txt"
    lock.write_text("a==1 \\\n    --hash=sha256:00\nb==2\n")

    with pytest.raises(CommandError, match="pins without a hash: b==2"):
        locked_versions(lock)


def test_locks_hold_all_that_is_asked_for_and_agree() -> None:
    assert "packages are pinned and hashed" in check_locks()


def answering(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    """Has the advisory service, which is outside of us, answer like that."""
    answer = subprocess.CompletedProcess([], 0, output, "no route to host")
    monkeypatch.setattr(supply_chain, "_run", lambda *_arguments: answer)


def test_no_lock_holds_an_address() -> None:
    locks = [*ROOT.glob("*/*requirements.txt"), *ROOT.glob("*/*/*requirements.txt")]
    locks += [
        ROOT / "tests/console/package-lock.json",
        ROOT / "clients/typescript/package-lock.json",
    ]

    assert len(locks) > 4
    assert [lock for lock in locks if "://" in lock.read_text()] == []


def test_known_vulnerability_ends_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}
    answering(monkeypatch, json.dumps({"dependencies": [found]}))

    with pytest.raises(CommandError, match="a 1: CVE-1"):
        check_advisories()


@pytest.mark.parametrize(
    "output", ["", json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]})]
)
def test_advisories_that_cannot_be_asked_for_are_skipped_by_name(
    monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    answering(monkeypatch, output)

    assert check_advisories().startswith("SKIPPED: ")


def test_skipped_check_fails_in_ci_unless_it_may_be_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = {"advisories": lambda: "SKIPPED: no answer", "image": lambda: "fine"}
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("CI_MAY_SKIP", raising=False)
    run(checks)
    monkeypatch.setenv("CI", "true")

    with pytest.raises(CommandError, match="advisories"):
        run(checks)

    monkeypatch.setenv("CI_MAY_SKIP", "terraform advisories")
    run(checks)
    assert capsys.readouterr().out.count("image: fine") == 3


@pytest.mark.parametrize("allowed", ["", "docker", "docker terraform"])
def test_infrastructure_that_cannot_be_tested_fails_in_ci_unless_it_may_be_skipped(
    tmp_path: Path, allowed: str
) -> None:
    for program in ("bash", "dirname"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)

    said = subprocess.run(
        ["bash", ROOT / "scripts" / "stack" / "ci.sh"],
        env={"PATH": str(tmp_path), "CI": "true", "CI_MAY_SKIP": allowed},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.stdout.startswith("skipped: test-infra, test-e2e and test-compose (terraform")
    assert said.returncode == (0 if "terraform" in allowed else 1)
    assert ("terraform is not installed: https://" in said.stderr) == ("terraform" not in allowed)


def test_ci_may_skip_advisories_alone() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert re.findall(r"CI_MAY_SKIP.*", steps) == ['CI_MAY_SKIP="${CI_MAY_SKIP-advisories}"']
    assert "export CI=true" in steps


def test_bill_of_materials_is_the_same_for_the_same_locks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supply_chain, "SBOM", tmp_path)
    make_sbom(["functions/ingest"])
    first = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    make_sbom(["functions/ingest"])

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == first
    assert set(first) == {"ingest.cdx.json"}
    assert set(supply_chain.DEPLOYABLES) <= set(supply_chain.LOCKS)


@pytest.mark.parametrize(
    ("line", "broken", "said"),
    [
        ("runs-on: ubuntu-latest", "runs_on: ubuntu-latest", "runs-on"),
        ("run: .ci/run", "run: echo ${{ github.event.pull_request.title }}", "template-injection"),
    ],
)
def test_workflow_that_github_would_refuse_or_that_is_unsafe_is_named(
    tmp_path: Path, line: str, broken: str, said: str
) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    workflow = tmp_path / ".github" / "workflows" / "ci.yml"
    workflow.write_text(workflow.read_text().replace(line, broken))

    with pytest.raises(CommandError, match=said):
        supply_chain.check_workflows(tmp_path)
