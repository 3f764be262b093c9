"""A client of the Lead Billing Engine: leads in, reports out.

`Client` waits for each answer, `AsyncClient` has the same methods as coroutines. What they take and
answer is in `models`, what they raise in `errors`.
"""

from . import errors, models
from .async_client import AsyncClient
from .client import Client
from .errors import ApiError, LeadBillingError, NotVerified
from .retries import Retries
from .verification import verify_reports
from .version import VERSION
from .webhooks import Event, verify_webhook

__version__ = VERSION
__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Event",
    "LeadBillingError",
    "NotVerified",
    "Retries",
    "errors",
    "models",
    "verify_reports",
    "verify_webhook",
]
