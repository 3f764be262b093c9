import asyncio
import time
from typing import Any

import httpx

from scripts.gateway import LambdaContext, LocalGateway

REQUESTS = 8


async def no_service(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("the request was not for the service")


def test_function_gets_one_event_at_a_time_and_each_caller_its_own_answer() -> None:
    current: list[str] = []
    crowds: list[int] = []

    def function(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        current.append(event["body"])
        time.sleep(0.01)
        crowds.append(len(current))
        return {"statusCode": 200, "body": current.pop()}

    async def post_at_once() -> list[str]:
        transport = httpx.ASGITransport(LocalGateway(function, no_service))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            posts = [client.post("/leads", json=number) for number in range(REQUESTS)]
            return [answer.text for answer in await asyncio.gather(*posts)]

    answers = asyncio.run(post_at_once())

    assert answers == [str(number) for number in range(REQUESTS)]
    assert crowds == [1] * REQUESTS
