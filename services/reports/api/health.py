"""/health: whether the process lives, and whether it can do its work."""

from functools import lru_cache

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from fastapi import APIRouter

from common.problems import NotReady
from common.version import VERSION
from services.reports.api.dependencies import Snapshot
from services.reports.api.schemas.health import Live, Ready

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
def live() -> Live:
    """The process answers, and says which version it is."""
    return Live(status="live", version=VERSION)


@router.get("/ready")
def ready(session: Snapshot) -> Ready:
    """The database answers, and its schema is the one this code was written for."""
    current = MigrationContext.configure(session.connection()).get_current_revision()
    if current != _newest_revision():
        raise NotReady(
            f"the schema is at revision {current}, this code needs {_newest_revision()}; migrate it"
        )
    return Ready(status="ready")


@lru_cache(maxsize=1)
def _newest_revision() -> str | None:
    return ScriptDirectory.from_config(Config(toml_file="pyproject.toml")).get_current_head()
