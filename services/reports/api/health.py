"""/health: whether the process lives, and whether it can do its work."""

import asyncio
from functools import lru_cache

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from anyio import CapacityLimiter, to_thread

from common.database.engine import own_connection
from common.problems import NotReady, Problem
from common.version import VERSION
from services.reports.api.schemas.health import Live, Ready
from services.reports.http.routes import Router

_SECONDS = 1.2

router = Router(prefix="/health", tags=["health"])


@router.get("/live")
def live() -> Live:
    """The process answers, and says which version it is."""
    return Live(status="live", version=VERSION)


@router.get("/ready")
async def ready() -> Ready:
    """The database answers, and its schema is the one this code was written for.

    Answers within 2 seconds, on a connection and a thread of its own, whatever else waits.
    """
    try:
        async with asyncio.timeout(_SECONDS), _one_at_a_time():
            await to_thread.run_sync(
                _require_current_schema, limiter=_thread(), abandon_on_cancel=True
            )
    except TimeoutError:
        raise NotReady(f"the database did not answer within {_SECONDS:g} seconds") from None
    return Ready(status="ready")


def _require_current_schema() -> None:
    try:
        with own_connection(_SECONDS) as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except Problem as problem:
        raise NotReady(problem.detail) from problem.__cause__
    newest = _newest_revision()
    if current == newest:
        return
    if current is None:
        raise NotReady(f"the database has no schema: migrate it to {newest} (make migrate)")
    if current in _known_revisions():
        raise NotReady(f"the schema is older ({current}): migrate it to {newest} (make migrate)")
    raise NotReady(f"the schema is newer ({current}) than this code ({newest}): deploy newer code")


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(toml_file="pyproject.toml"))


@lru_cache(maxsize=1)
def _newest_revision() -> str | None:
    return _scripts().get_current_head()


@lru_cache(maxsize=1)
def _known_revisions() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


@lru_cache(maxsize=1)
def _thread() -> CapacityLimiter:
    return CapacityLimiter(2)


@lru_cache(maxsize=1)
def _one_at_a_time() -> asyncio.Semaphore:
    return asyncio.Semaphore(1)
