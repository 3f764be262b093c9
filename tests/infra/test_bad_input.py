"""What is missing or wrong ends with one clear message and a command that mends it."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack import emulator
from scripts.stack.settings import ROOT

TERRAFORM = """#!/bin/sh
echo '{"terraform_version": "VERSION"}'
"""

# A Docker that has everything, and whose LocalStack says what it says of a wrong token.
DOCKER = """#!/bin/sh
echo "$@" >> "$FAKE_DOCKER_LOG"
case "$1 $2" in
  "logs "*) echo "License activation failed! Reason: The credentials could not be validated" ;;
  "inspect --format") echo true ;;
  "inspect "*) exit 1 ;;
  "ps "*) ;;
  *) echo 28.0.0 ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that is the whole PATH: a fit Terraform and Docker, and no other."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder, "terraform", TERRAFORM.replace("VERSION", "1.11.4"))
    program(folder, "docker", DOCKER)
    (folder / "sh").symlink_to("/bin/sh")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(text)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port another program listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_step(name: str, programs: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.stack", name],
        cwd=ROOT,
        env={
            "PATH": str(programs),
            "HOME": str(programs),
            "GATEWAY_PORT": str(free_port()),
            "FAKE_DOCKER_LOG": str(programs / "docker.log"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_everything_there_is_said(programs: Path) -> None:
    ran = run_step("preflight", programs)

    assert ran.returncode == 0, ran.stderr
    assert "terraform 1.11.4" in ran.stdout


@pytest.mark.parametrize(
    ("name", "cause"), [("terraform", "Terraform is not installed"), ("docker", "Docker is not")]
)
def test_missing_program_is_named_with_where_to_get_it(
    programs: Path, name: str, cause: str
) -> None:
    (programs / name).unlink()

    ran = run_step("preflight", programs)

    assert ran.returncode == 1
    assert cause in ran.stderr
    assert "https://" in ran.stderr


def test_every_gap_is_said_at_once(programs: Path) -> None:
    (programs / "terraform").unlink()
    (programs / "docker").unlink()

    ran = run_step("preflight", programs)

    assert "Terraform is not installed" in ran.stderr
    assert "Docker is not installed" in ran.stderr


def test_silent_docker_daemon_is_told_from_missing_docker(programs: Path) -> None:
    program(programs, "docker", "#!/bin/sh\nexit 1\n")

    ran = run_step("preflight", programs)

    assert "daemon does not answer" in ran.stderr


@pytest.mark.parametrize("version", ["1.10.5", "0.15.0", "1.9.8"])
def test_old_terraform_is_refused(programs: Path, version: str) -> None:
    program(programs, "terraform", TERRAFORM.replace("VERSION", version))

    ran = run_step("preflight", programs)

    assert ran.returncode == 1
    assert f"Terraform {version} is too old" in ran.stderr


def test_taken_port_is_named_with_another(programs: Path, taken_port: int) -> None:
    ran = run_step("preflight", programs, GATEWAY_PORT=str(taken_port))

    assert ran.returncode == 1
    assert f"Port {taken_port} is taken by another program" in ran.stderr
    assert f"GATEWAY_PORT={taken_port + 1}" in ran.stderr


def test_localstack_without_a_token_is_refused(programs: Path) -> None:
    ran = run_step("preflight", programs, EMULATOR="localstack")

    assert ran.returncode == 1
    assert "LOCALSTACK_AUTH_TOKEN is not set" in ran.stderr


def test_wrong_token_is_named_and_never_printed(programs: Path) -> None:
    port = str(free_port())

    ran = run_step(
        "emulator",
        programs,
        EMULATOR="localstack",
        LOCALSTACK_AUTH_TOKEN="ls-not-a-token",
        GATEWAY_PORT=port,
    )
    run_step("down", programs, EMULATOR="localstack", GATEWAY_PORT=port)

    assert ran.returncode == 1
    assert "LocalStack refused LOCALSTACK_AUTH_TOKEN" in ran.stderr
    commands = (programs / "docker.log").read_text()
    assert "--env LOCALSTACK_AUTH_TOKEN " in commands
    assert "ls-not-a-token" not in ran.stdout + ran.stderr + commands


@pytest.mark.parametrize(
    ("name", "value"),
    [("EMULATOR", "moto"), ("REPORTS_RUNTIME", "ec2"), ("GATEWAY_PORT", "http")],
)
def test_unknown_value_is_named_with_the_known_ones(programs: Path, name: str, value: str) -> None:
    ran = run_step("preflight", programs, **{name: value})

    assert ran.returncode == 1
    assert f"{name}={value}" in ran.stderr


def test_other_emulator_that_is_up_is_told_from_a_taken_port(programs: Path) -> None:
    port = str(free_port())
    state = ROOT / ".data" / "stack" / port
    state.mkdir(parents=True)
    started = emulator.process_started(os.getpid())
    noted = {"emulator": "ministack", "pid": os.getpid(), "started": started}
    (state / "emulator.json").write_text(json.dumps(noted))
    try:
        ran = run_step(
            "preflight",
            programs,
            EMULATOR="localstack",
            LOCALSTACK_AUTH_TOKEN="any",
            GATEWAY_PORT=port,
        )
    finally:
        shutil.rmtree(state)

    assert ran.returncode == 1
    assert f"ministack is up on port {port}, not localstack" in ran.stderr


def test_process_is_known_by_its_start_and_not_by_its_number_alone() -> None:
    assert emulator.process_started(os.getpid()) is not None
    assert emulator.process_started(2**30) is None


def test_mirror_without_the_provider_is_refused(programs: Path, tmp_path: Path) -> None:
    ran = run_step("preflight", programs, TF_PLUGIN_MIRROR=str(tmp_path))

    assert ran.returncode == 1
    assert "holds no registry.terraform.io/hashicorp/aws" in ran.stderr


@pytest.mark.parametrize("name", ["tf-plan", "tf-apply", "tf-destroy", "migrate", "smoke", "logs"])
def test_step_without_an_emulator_says_what_starts_it(programs: Path, name: str) -> None:
    ran = run_step(name, programs)

    assert ran.returncode == 1
    assert "ministack is not up" in ran.stderr
    assert "make up" in ran.stderr


def test_unknown_step_lists_the_known_ones(programs: Path) -> None:
    ran = run_step("explode", programs)

    assert ran.returncode == 2
    assert "preflight" in ran.stderr
