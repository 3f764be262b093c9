"""SQLAlchemy compiles a statement once in a test process, and not again for each test's engine.

An engine keeps what it compiled, by its dialect and the statement. Each test makes engines, as its
database is its own, and to compile the same statements took a tenth of the tests' processor time.
All dialects of psycopg2 are alike here: there is one PostgreSQL.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.util import LRUCache

_COMPILED: LRUCache[Any, Any] = LRUCache(5_000)


def share_compiled_statements() -> None:
    """Has every engine that is made from now on use one cache."""
    engine: Any = Engine
    engine._compiled_cache = property(lambda _: _COMPILED, lambda _engine, _own: None)
    dialect: Any = PGDialect_psycopg2
    dialect.__eq__ = lambda one, other: type(one) is type(other)
    dialect.__hash__ = lambda one: hash(type(one))
