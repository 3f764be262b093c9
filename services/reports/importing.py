"""A step of the background worker: importing the files that are dropped into the inbox."""

import threading
from datetime import UTC, datetime

from common.imports.inbox import import_from_inbox
from common.settings import Settings


def import_dropped_files(settings: Settings, stopping: threading.Event) -> bool:
    """Imports one file of INBOX_DIR. Returns whether there was one."""
    if settings.inbox_dir is None:
        return False
    return import_from_inbox(settings.inbox_dir, settings, datetime.now(UTC), stopping)
