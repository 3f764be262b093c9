"""Alarms, dashboard, runbooks and code speak of the same things."""

import re

from common.observability.metrics import NAMESPACE, Metric
from functions.ingest.handler import metrics
from scripts.stack.checks import MODULES
from scripts.stack.settings import ROOT
from services.reports.http.request_logging import SERVICE

RUNBOOKS = ROOT / "docs" / "runbooks"
ALARM = re.compile(r'resource "aws_cloudwatch_metric_alarm" "(\w+)" \{(.*?)\n\}', re.DOTALL)


def alarms() -> dict[str, str]:
    """Every alarm's block by module and name."""
    return {
        f"{file.parent.name}.{name}": block
        for file in MODULES.glob("*/main.tf")
        for name, block in ALARM.findall(file.read_text())
    }


def test_every_alarm_names_a_runbook_and_every_runbook_has_its_alarm() -> None:
    named = [re.findall(r"docs/runbooks/([a-z0-9-]+)\.md", block) for block in alarms().values()]

    written = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert all(len(pages) == 1 for pages in named)
    assert sorted(name for (name,) in named) == sorted(written)


def test_every_alarm_reaches_the_people_it_is_given() -> None:
    assert all("var.alarm_topic_arns" in block for block in alarms().values())


def test_runbook_says_what_it_means_where_to_look_what_to_do_and_whom_to_wake() -> None:
    for page in RUNBOOKS.glob("*.md"):
        text = page.read_text()
        if page.stem == "README":
            continue
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        assert headings == ["Look first", "Do", "Wake"], page
        assert "```sh\n" in text or "```sql\n" in text, page
        for link in re.findall(r"\]\(([^)]+)\)", text):
            assert (RUNBOOKS / link).exists(), (page, link)


def test_index_lists_every_runbook_by_its_title() -> None:
    rows = re.findall(
        r"^\| \[([a-z0-9-]+)\]\(\1\.md\) \| (.*) \|$",
        (RUNBOOKS / "README.md").read_text(),
        re.MULTILINE,
    )

    pages = {page.stem: page.read_text() for page in RUNBOOKS.glob("*.md")}
    titles = {name: text.splitlines()[0].removeprefix("# ") for name, text in pages.items()}
    assert dict(rows) == {name: title for name, title in titles.items() if name != "README"}


def test_our_own_metrics_have_the_same_names_in_terraform_and_in_the_code() -> None:
    terraform = (MODULES / "observability" / "main.tf").read_text()
    ours = re.compile(r'\["([A-Za-z", ]+)"\] :\s+\["LeadBilling"|\["LeadBilling", "(\w+)"')
    in_alarms = {
        re.findall(r'metric_name\s+= "(\w+)"', block)[0]
        for block in alarms().values()
        if f'"{NAMESPACE}"' in block
    }
    on_dashboard = {
        name
        for several, one in ours.findall(terraform)
        for name in (re.findall(r"\w+", several) or [one])
    }

    assert len(in_alarms) >= 4
    assert len(on_dashboard) >= 15
    assert in_alarms | on_dashboard <= {metric.value for metric in Metric} | {
        "QueuedMessagesRequeued"
    }


def test_our_own_metrics_are_looked_for_under_the_services_that_write_them() -> None:
    terraform = (MODULES / "observability" / "main.tf").read_text()

    services = set(re.findall(r'service = "([a-z-]+)"', terraform))
    assert services == {SERVICE, "lead-billing-ingest"}
    assert metrics.namespace == NAMESPACE
