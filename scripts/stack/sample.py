"""Send the sample's customers, products and leads through the gateway, and fetch the reports."""

from typing import Any

from scripts.sample_data import CUSTOMERS, LEADS, PRODUCTS, REPORTS
from scripts.stack import aws, keys, terraform
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack


def gateway(stack: Stack) -> str:
    """The URL of the API."""
    return stack.gateway_url(str(terraform.outputs(stack)["api_id"]))


def ask(stack: Stack, method: str, path: str, body: Any = None) -> aws.Answer:
    """Send a request through the gateway, with the stack's admin key."""
    return aws.request(method, gateway(stack) + path, body, keys.authorization(stack))


def wait_until_ready(stack: Stack) -> None:
    """Wait until the service answers through the gateway and has its database and schema."""
    url = f"{gateway(stack)}/health/ready"

    def ready() -> bool:
        try:
            return aws.request("GET", url, timeout_seconds=10).status == 200
        except ConnectionError:
            return False

    aws.wait_for("/health/ready through the gateway", 60, ready, "make logs PART=reports")


def send(stack: Stack) -> None:
    """Register the sample's customers and products and post its leads. Safe to repeat."""
    wait_until_ready(stack)
    for noun, entries in (("customers", CUSTOMERS), ("products", PRODUCTS)):
        for identifier, fields in entries.items():
            json_of(ask(stack, "PUT", f"/{noun}/{identifier}", fields), (200, 201))
    answer = json_of(ask(stack, "POST", "/leads", LEADS.read_bytes()), (200, 201))
    counts = {key: value for key, value in answer.items() if isinstance(value, int) and value}
    say("leads: " + ", ".join(f"{value} {key}" for key, value in counts.items()))


def json_of(answer: aws.Answer, statuses: tuple[int, ...]) -> dict[str, Any]:
    """The JSON of the answer. Raises StackError for other statuses."""
    if answer.status not in statuses:
        raise StackError(
            f"The gateway answered {answer.status}: {answer.body.decode(errors='replace')[:400]}",
            "make logs",
        )
    body: dict[str, Any] = answer.json()
    return body


def show(stack: Stack) -> None:
    """Fetch the sample's reports through the gateway and print them."""
    for customer, period in REPORTS:
        report = json_of(ask(stack, "GET", f"/billing/reports/{customer}/{period}"), (200,))
        print("\n".join(table(report)), flush=True)


def table(report: dict[str, Any]) -> list[str]:
    """A report as lines of text."""
    totals, rule = report["totals"], "-" * 92
    lines = ["", f"{report['customer_name']}  {report['period']}  ({report['status']})", rule]
    for line in report["lines"]:
        lines.append(
            f"{line['timestamp'][:16]:<17} {line['product_id']:<13} {line['action_type']:<17} "
            f"{line['engagement_level']:<7} {line['gross']:>8} {line['billed']:>8}  "
            f"{line['outcome']}"
        )
    savings = totals["savings"]
    lines += [
        rule,
        f"gross {totals['gross']}  billed {totals['billed']}  "
        f"duplicate savings {savings['duplicate']}  cap savings {savings['cap']}  "
        f"{totals['currency']}",
    ]
    return lines
