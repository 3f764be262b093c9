"""Final reports to verify, by the service and offline."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.support.api import PROJECT, path_of

NAME = "acme/öl"
USER = {"email": "ann@people.test"}


def address(period: str, *rest: str) -> str:
    return path_of("billing", "reports", NAME, period, *rest)


def close(client: httpx.Client, period: str) -> None:
    client.post(f"/billing/periods/{period}/close").raise_for_status()


def verified(client: httpx.Client, period: str) -> Any:
    answer = client.get(address(period, "verify"))
    answer.raise_for_status()
    return answer.json()


def credit(client: httpx.Client, *actions: str) -> None:
    """Has lines of l-1 disputed, and accepts it."""
    for action_id in actions:
        body = {"lead_id": "l-1", "action_id": action_id, "reason": "out_of_area"}
        dispute = client.post("/billing/disputes", json=body)
        dispute.raise_for_status()
        address = f"/billing/disputes/{dispute.json()['dispute_id']}/accept"
        client.post(address, json={"note": "ann@people.test"}).raise_for_status()


def run_offline(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    script = PROJECT / "scripts" / "verify_report.py"
    # -S: nothing but the standard library
    command = [sys.executable, "-I", "-S", str(script), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)
