"""Fixtures that these tests share with those of the API."""

from tests.integration.conftest import acme, api

__all__ = ["acme", "api"]
