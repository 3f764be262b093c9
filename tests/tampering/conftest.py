"""Final reports that are signed, to be edited as the database's owner could."""

from tests.integration.closing.conftest import (
    _database_of_closed_months,
    _database_of_sealed_months,
    sealed_months,
)

__all__ = ["_database_of_closed_months", "_database_of_sealed_months", "sealed_months"]
