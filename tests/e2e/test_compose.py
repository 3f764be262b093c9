"""compose.yaml as somebody starts it: `docker compose up`, the demo in use, `down --volumes`.

If no registry answers, stand-ins from Debian's packages take the place of the base images.
"""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from scripts.sample_data import LEADS
from scripts.stack import images
from scripts.stack.settings import ROOT

# Not the containers and volumes of a demo that somebody is using.
PROJECT = "lead-billing-test"


def compose(variables: dict[str, str], *command: str, seconds: int = 60) -> str:
    done = subprocess.run(
        ["docker", "compose", "--project-name", PROJECT, *command],
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def said_when_ready(variables: dict[str, str]) -> str:
    """The demo's log up to its last line, which comes soon after the server is healthy."""
    deadline = time.monotonic() + 60
    while "ready http" not in (said := compose(variables, "logs", "--no-color", "demo")):
        assert time.monotonic() < deadline, said
        time.sleep(0.5)
    return said


def left(noun: str) -> str:
    """The containers, volumes or networks of the project."""
    label = f"label=com.docker.compose.project={PROJECT}"
    everything = ["--all"] if noun == "container" else []
    command = ["docker", noun, "ls", *everything, "--quiet", "--filter", label]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def demo() -> Iterator[httpx.Client]:
    """A client of the running demo, with the key that the log shows."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    variables = {"PORT": port, "BASE_IMAGE": images.base_image()}
    stand_in = images.postgres_image(17)
    if stand_in:
        variables["POSTGRES_IMAGE"] = stand_in
    # Docker builds with its older builder where buildx is missing.
    variables["DOCKER_BUILDKIT"] = "1" if images.has_buildx() else "0"
    try:
        compose(variables, "build", seconds=900)
        up = ["up", "--detach", "--wait", "--wait-timeout", "120", "demo"]
        compose(variables, *up, seconds=150)
        (key,) = re.findall(r"Sign in with the key (\S+)", said_when_ready(variables))
        address = f"http://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=address, headers=headers, trust_env=False) as client:
            yield client
    finally:
        compose(variables, "down", "--volumes", "--timeout", "10", seconds=120)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert [left(noun) for noun in ("container", "volume", "network")] == ["", "", ""]


def test_demo_takes_leads_and_shows_reports_to_who_has_the_key(demo: httpx.Client) -> None:
    posted = demo.post(
        "/leads", content=LEADS.read_bytes(), headers={"content-type": "application/json"}
    )
    report = demo.get("/billing/reports/customer-123/2024-04")
    page = demo.get("/billing/reports/customer-123/2024-04.html")
    overview = demo.get("/", params={"month": "2024-04"})
    stranger = httpx.get(report.url, trust_env=False)

    assert posted.json()["unchanged"] == 4
    assert report.json()["totals"]["billed"] == "12.00"
    assert "Acme Corporation" in page.text
    assert "April 2024" in overview.text
    assert stranger.status_code == 401
