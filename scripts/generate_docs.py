"""Generate docs/samples and the tables of errors, settings and access from a running API.

Invariant: the same code generates the same files; nobody edits them by hand.
"""

import argparse
import io
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from rich.console import Console

from common.enums import Role
from common.settings import Settings
from scripts.api_client import api_client, json_of
from scripts.cli import CommandError, handle_exit
from scripts.demo import post_sample
from scripts.doc_sections import replace_section
from scripts.local_server import address_of, listen_on, local_api
from scripts.report import fetch_report, print_report
from scripts.sample_data import REPORTS

_PROJECT = Path(__file__).resolve().parent.parent
_SAMPLES = _PROJECT / "docs" / "samples"
_ERRORS = _PROJECT / "docs" / "errors.md"
_SETTINGS = _PROJECT / "docs" / "settings.md"
_ACCESS = _PROJECT / "docs" / "access.md"
_SAMPLE_KEY = "the samples are made with this user hash key"  # no secret: the users are invented
_CARD = json.loads((_SAMPLES / "rate_card.json").read_bytes())
_TABLE_WIDTH = 110


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.generate_docs", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="only check that the files are current"
    )
    args = parser.parse_args()
    with handle_exit():
        files = _generate()
        if args.check:
            stale = [path for path, text in files.items() if not _is_current(path, text)]
            if stale:
                names = ", ".join(str(path.relative_to(_PROJECT)) for path in stale)
                raise CommandError(f"out of date: {names}. Run `make samples`.")
            return
        for path, text in files.items():
            path.write_text(text, encoding="utf-8", newline="")


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() == text.encode()


def _generate() -> dict[Path, str]:
    os.environ.pop("DATABASE_URL", None)
    os.environ["USER_HASH_KEY"] = _SAMPLE_KEY
    with (
        tempfile.TemporaryDirectory() as directory,
        listen_on("127.0.0.1", 0) as listener,
        local_api(listener, Path(directory) / "data", lambda step: None, is_open=True),
        api_client(address_of(listener)) as client,
    ):
        files = {_SAMPLES / name: text for name, text in _samples(client).items()}
        return files | {
            _ERRORS: replace_section(_ERRORS, "errors", _error_table(client)),
            _SETTINGS: replace_section(_SETTINGS, "settings", _settings_table()),
            _ACCESS: replace_section(_ACCESS, "rules", _rules_table()),
        }


def _samples(client: httpx.Client) -> dict[str, str]:
    files = {
        "post_leads_answer.json": _pretty(post_sample(client)),
        "reports.json": _pretty(json_of(client.get("/billing/reports"))),
    }
    for customer_id, period in REPORTS:
        path, name = f"/billing/reports/{customer_id}/{period}", f"{customer_id}-{period}"
        report = fetch_report(client, customer_id, period)
        files[f"{name}.json"] = _pretty(report)
        files[f"{name}.csv"] = client.get(f"{path}.csv").content.decode()
        files[f"{name}.html"] = client.get(f"{path}.html").text
        terminal = io.StringIO()
        print_report(Console(width=_TABLE_WIDTH, file=terminal), report)
        files[f"{name}.txt"] = "\n".join(line.rstrip() for line in terminal.getvalue().splitlines())
    simulation = json.loads((_SAMPLES / "simulation.json").read_bytes())
    answer = client.post("/billing/simulations", json=simulation)
    files["simulation_answer.json"] = _pretty(json_of(answer))
    return {name: _fix_times(text).rstrip() + "\n" for name, text in files.items()}


def _fix_times(text: str) -> str:
    """The text with one fixed moment in place of the time of its generation."""
    text = re.sub(r'("generated_at": )"[^"]*"', r'\1"2024-06-01T00:00:00Z"', text)
    return re.sub(r"(made )\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", r"\g<1>2024-06-01 00:00:00", text)


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2)


@dataclass(frozen=True, slots=True)
class _Scenario:
    title: str
    body: Any = None
    method: str = "POST"
    path: str = "/leads"


_LEAD = {
    "lead_id": "uuid-9",
    "customer_id": "customer-123",
    "product_id": "product-abc",
    "lead_type": "Website Visit",
    "created_at": "2024-04-20T09:00:00Z",
    "actions": [],
}


def _action(**changes: str) -> dict[str, str]:
    action = {
        "action_type": "Share",
        "timestamp": "2024-04-20T09:01:00Z",
        "engagement_level": "Medium",
    }
    return action | changes


_SCENARIOS = [
    _Scenario("Not JSON", '{"lead_id": '),
    _Scenario("Missing fields", {"lead_id": "uuid-9", "actions": []}),
    _Scenario("Unknown field", _LEAD | {"colour": "red"}),
    _Scenario("Unknown engagement level", _LEAD | {"actions": [_action(engagement_level="Huge")]}),
    _Scenario(
        "Time without offset", _LEAD | {"actions": [_action(timestamp="2024-04-20T09:01:00")]}
    ),
    _Scenario("Unknown lead type", _LEAD | {"lead_type": "Carrier Pigeon"}),
    _Scenario("Unknown customer: quarantined", _LEAD | {"customer_id": "customer-9"}),
    _Scenario("First delivery", _LEAD | {"actions": [_action()]}),
    _Scenario("The same lead again", _LEAD | {"actions": [_action()]}),
    _Scenario("The same id, another product", _LEAD | {"product_id": "product-def"}),
    _Scenario(
        "A batch with one bad lead", [_LEAD | {"lead_id": "uuid-10"}, _LEAD | {"lead_id": ""}]
    ),
    _Scenario("Too many leads", [_LEAD] * 1_001),
    _Scenario("Unknown customer's report", method="GET", path="/billing/reports/nobody/2024-04"),
    _Scenario("Invalid month", method="GET", path="/billing/reports/customer-123/2024-13"),
    _Scenario("Unknown format", method="GET", path="/billing/reports/customer-123/2024-04.docx"),
    _Scenario(
        "A page that is too large",
        method="GET",
        path="/billing/reports/customer-123/2024-04/lines?limit=1001",
    ),
    _Scenario("Month that is not over", path="/billing/periods/2999-01/close"),
    _Scenario(
        "Nothing final to verify",
        method="GET",
        path="/billing/reports/customer-123/2024-04/verify",
    ),
    _Scenario(
        "A lead without a billed line",
        {"lead_id": "uuid-10", "reason": "spam"},
        path="/billing/disputes",
    ),
    _Scenario(
        "The reason `other` without a note",
        {"lead_id": "uuid-1", "reason": "other"},
        path="/billing/disputes",
    ),
    _Scenario("Invalid cursor", method="GET", path="/leads?cursor=abc"),
    _Scenario(
        "Email of another customer",
        {"name": "Globex", "email": "billing@acme.example"},
        method="PUT",
        path="/customers/customer-456",
    ),
    _Scenario("A month that has begun", _CARD | {"valid_from": "2024-04"}, path="/rate-cards"),
    _Scenario(
        "An amount that is not a string",
        _CARD | {"rates": [{"engagement_level": "High", "amount": 15}]},
        path="/rate-cards",
    ),
    _Scenario(
        "A level without a price",
        _CARD | {"rates": [rate for rate in _CARD["rates"] if rate["engagement_level"] != "Low"]},
        path="/rate-cards",
    ),
    _Scenario("A second editor", _CARD | {"expected_version": 0}, path="/rate-cards"),
]


def _error_table(client: httpx.Client) -> str:
    rows = ["| case | request | answer |", "|---|---|---|"]
    for scenario in _SCENARIOS:
        content = scenario.body if isinstance(scenario.body, str) else json.dumps(scenario.body)
        response = client.request(
            scenario.method,
            scenario.path,
            content=content if scenario.body is not None else None,
            headers={"content-type": "application/json"},
        )
        request = f"`{scenario.method} {scenario.path}`"
        if scenario.body is not None:
            request += f" {_code(_short(content))}"
        rows.append(f"| {scenario.title} | {request} | {_summary(response)} |")
    return "\n".join(rows)


def _summary(response: httpx.Response) -> str:
    """The answer in one cell: its status, and its results or its errors."""
    answer = response.json()
    results = answer.get("results", [])
    if results and "detail" not in answer:
        short = [
            {"lead_id": result["lead_id"], "status": result["status"]}
            | {"errors": [error["code"] for error in result["errors"]]}
            for result in results
        ]
        return f"**{response.status_code}** {_code(json.dumps(short))}"
    errors = " ".join(
        f"{_code(error['pointer'])} {error['code']}: {error['detail']};"
        for error in answer.get("errors", [])
    )
    return f"**{response.status_code}** {answer['detail']}. {errors}".rstrip(" ;.")


def _short(text: str) -> str:
    return text if len(text) <= 330 else text[:100] + " … " + text[-20:]


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _settings_table() -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{name.upper()}` | {_default(field.default)} | {field.description} |")
    return "\n".join(rows)


def _rules_table() -> str:
    from services.reports.http.authorization import RULES  # noqa: PLC0415 - reads the settings

    roles = [role.value for role in Role]
    rows = [f"| address | no key | {' | '.join(roles)} |", "|---|---" + "|---" * len(roles) + "|"]
    for (method, path), rule in RULES.items():
        template = re.sub(r":\w+}", "}", path)
        cells = ["" if rule.roles else "yes"]
        cells += ["yes" if role in rule.roles else "" for role in Role]
        rows.append(f"| `{method} {template}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _default(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        value = str(value).lower()
    return "none" if value in {None, ""} else _code(str(value))


if __name__ == "__main__":
    main()
