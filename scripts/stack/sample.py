"""The brief's sample through the gateway: customers, products and leads in, reports out."""

import json
from typing import Any

from scripts.stack import aws, keys, terraform
from scripts.stack.report import StackError, say
from scripts.stack.settings import ROOT, Stack

LEADS = ROOT / "docs" / "samples" / "sample_leads.json"

CUSTOMERS = {
    "customer-123": {"name": "Acme Corporation", "email": "billing@acme.example"},
    "customer-456": {"name": "Globex Corporation", "email": "billing@globex.example"},
}
PRODUCTS = {
    "product-abc": {"name": "Product ABC"},
    "product-def": {"name": "Product DEF"},
    "product-xyz": {"name": "Product XYZ"},
}
REPORTS = (("customer-123", "2024-04"), ("customer-456", "2024-04"), ("customer-123", "2024-05"))


def gateway(stack: Stack) -> str:
    """The API's address."""
    return stack.gateway_url(str(terraform.outputs(stack)["api_id"]))


def ask(stack: Stack, method: str, path: str, body: Any = None) -> aws.Answer:
    """A request through the gateway, with the stack's admin key."""
    return aws.request(method, gateway(stack) + path, body, keys.authorization(stack))


def wait_until_ready(stack: Stack) -> None:
    """Until the service answers through the gateway with its database and its schema."""
    url = f"{gateway(stack)}/health/ready"

    def ready() -> bool:
        try:
            return aws.request("GET", url, timeout_seconds=10).status == 200
        except ConnectionError:
            return False

    aws.wait_for("/health/ready through the gateway", 60, ready, "make logs PART=reports")


def send(stack: Stack) -> None:
    """Register the sample's customers and products and post its leads. Again without harm."""
    wait_until_ready(stack)
    for noun, known in (("customers", CUSTOMERS), ("products", PRODUCTS)):
        for identifier, fields in known.items():
            accepted(ask(stack, "PUT", f"/{noun}/{identifier}", fields), (200, 201))
    answer = accepted(ask(stack, "POST", "/leads", LEADS.read_bytes()), (200, 201))
    counts = {key: value for key, value in answer.items() if isinstance(value, int) and value}
    say("leads: " + ", ".join(f"{value} {key}" for key, value in counts.items()))


def accepted(answer: aws.Answer, statuses: tuple[int, ...]) -> dict[str, Any]:
    """The answer's JSON; StackError for another status."""
    if answer.status not in statuses:
        raise StackError(
            f"The gateway answered {answer.status}: {answer.body.decode(errors='replace')[:400]}",
            "make logs",
        )
    body: dict[str, Any] = json.loads(answer.body)
    return body


def show(stack: Stack) -> None:
    """Fetch the sample's reports through the gateway and print them."""
    for customer, period in REPORTS:
        report = accepted(ask(stack, "GET", f"/billing/reports/{customer}/{period}"), (200,))
        print("\n".join(table(report)), flush=True)


def table(report: dict[str, Any]) -> list[str]:
    """A report as lines of text."""
    totals = report["totals"]
    width = 92
    lines = [
        "",
        f"{report['customer_name']}  {report['period']}  ({report['status']})",
        "-" * width,
    ]
    for line in report["lines"]:
        lines.append(
            f"{line['timestamp'][:16]:<18}{line['product_id']:<14}{line['action_type']:<18}"
            f"{line['engagement_level']:<8}{line['gross']:>9}{line['billed']:>9}  {line['outcome']}"
        )
    savings = totals["savings"]
    lines += [
        "-" * width,
        f"gross {totals['gross']}  billed {totals['billed']}  "
        f"duplicate savings {savings['duplicate']}  cap savings {savings['cap']}  "
        f"{totals['currency']}",
    ]
    return lines
