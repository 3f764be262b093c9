"""Every table: importing this module gives `Base.metadata` all of them."""

from common import audit_log as _audit_log
from common.access import models as _access
from common.catalog import models as _catalog
from common.database import deployment as _deployment
from common.database.base import Base
from common.disputes import models as _disputes
from common.final_reports import models as _final_reports
from common.leads import models as _leads
from common.rating import models as _rating

__all__ = ["Base"]

_TABLES = (_access, _audit_log, _catalog, _deployment, _disputes, _final_reports, _leads, _rating)
