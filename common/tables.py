"""Every table: importing this module gives `Base.metadata` all of them."""

from common import audit_log as _audit_log
from common.access import models as _access
from common.catalog import models as _catalog
from common.catalog import rating_backlog as _rating_backlog
from common.database import deployment as _deployment
from common.database.base import Base
from common.delivery import models as _delivery
from common.disputes import models as _disputes
from common.events import models as _events
from common.exports import models as _exports
from common.final_reports import models as _final_reports
from common.idempotency import models as _idempotency
from common.imports import models as _imports
from common.leads import models as _leads
from common.proof import models as _proof
from common.rating import models as _rating
from common.rating.standing_totals import models as _standing_totals
from common.voiding import models as _voiding

__all__ = ["Base"]

_TABLES = (
    _access,
    _audit_log,
    _catalog,
    _deployment,
    _delivery,
    _disputes,
    _events,
    _exports,
    _final_reports,
    _idempotency,
    _imports,
    _leads,
    _proof,
    _rating,
    _rating_backlog,
    _standing_totals,
    _voiding,
)
