"""What became of posted leads: the counts of an answer, and what is stored."""

import httpx


def counts(answer: httpx.Response) -> dict[str, int]:
    return {
        key: n for key, n in answer.json().items() if isinstance(n, int) and n and key != "status"
    }


def stored_leads(client: httpx.Client) -> list[str]:
    return sorted(row["lead_id"] for row in client.get("/leads").json()["data"])
