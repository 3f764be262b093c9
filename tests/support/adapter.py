"""The event loop that Mangum makes when the reporting app is imported.

Invariant: it is kept until the tests end, since a loop that is dropped open is a warning.
"""

import asyncio
import atexit

from services.reports.app import lambda_handler

__all__ = ["LOOP", "lambda_handler"]

LOOP = asyncio.get_event_loop_policy().get_event_loop()
atexit.register(LOOP.close)
