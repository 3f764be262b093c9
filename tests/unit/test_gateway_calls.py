import asyncio
import time
from threading import Event
from typing import Any

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse

from scripts.gateway import LambdaContext, LocalGateway

REQUESTS = 8
MORE_THAN_THREADS = 50  # of those that a service runs in


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


def test_service_has_threads_however_many_leads_wait_for_the_function() -> None:
    goes_on = Event()

    def function(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        assert goes_on.wait(30)
        return {"statusCode": 200}

    async def service(scope: Any, receive: Any, send: Any) -> None:
        answer = await run_in_threadpool(PlainTextResponse, "read")
        await answer(scope, receive, send)

    async def read_while_leads_wait() -> str:
        transport = httpx.ASGITransport(LocalGateway(function, service))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            posts = [asyncio.create_task(client.post("/leads")) for _ in range(MORE_THAN_THREADS)]
            await asyncio.sleep(0)  # all posts start, in their order, before the read
            try:
                return (await asyncio.wait_for(client.get("/"), timeout=10)).text
            finally:
                goes_on.set()
                await asyncio.gather(*posts)

    assert asyncio.run(read_while_leads_wait()) == "read"
