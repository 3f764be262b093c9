"""Steps of the background worker: importing files that were dropped into a folder, or uploaded."""

import threading
from datetime import UTC, datetime

from common.file_store.store import file_store
from common.imports.inbox import import_from_inbox
from common.imports.uploaded_files import delete_next, import_next
from common.settings import Settings


def import_dropped_files(settings: Settings, stopping: threading.Event) -> bool:
    """Imports one file of INBOX_DIR. Returns whether there was one."""
    if settings.inbox_dir is None:
        return False
    return import_from_inbox(settings.inbox_dir, settings, datetime.now(UTC), stopping)


def import_uploaded_files(settings: Settings, stopping: threading.Event) -> bool:
    """Imports one file of the file store, or else deletes one that is not needed any more."""
    if settings.file_store_bucket is None and settings.file_store_dir is None:
        return False
    store = file_store(settings)
    return import_next(store, settings, datetime.now(UTC), stopping) or delete_next(store)
