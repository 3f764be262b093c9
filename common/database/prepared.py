"""Statements that a connection plans once, because planning takes longer than running."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.orm import Session

from common.database.sql_loader import parameter_types

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


class PreparedStatement:
    """A statement that each connection plans once, for those that take longer to plan than to run.

    The statement declares the types of its parameters (sql_loader). `planned_without`: ways to join
    that it is not to be planned with, nor whatever follows it in its transaction.
    """

    def __init__(self, name: str, statement: str, planned_without: Iterable[str] = ()) -> None:
        types = parameter_types(statement)
        self.name = name
        self._order = list(types)
        numbered = _PARAMETER.sub(
            lambda found: f"${self._order.index(found[1]) + 1}", statement.replace("%", "%%")
        )
        self._prepare = f"prepare {name} ({', '.join(types.values())}) as {numbered}"
        # The plan that does for any parameters. All in one, for a single round trip.
        options = ["plan_cache_mode = force_generic_plan"]
        options += [f"enable_{way} = off" for way in planned_without]
        self._execute = (
            "".join(f"set local {option}; " for option in options)
            + f"execute {name} ({', '.join(['%s'] * len(types))})"
        )

    def prepare(self, connection: Connection) -> None:
        """Plans it, where this connection has not yet."""
        if self.name not in connection.info:
            connection.exec_driver_sql(self._prepare)
            connection.info[self.name] = True

    def execute(self, session: Session, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        """Runs it in the connection's transaction."""
        self.prepare(session.connection())
        values = tuple(_as_literal(parameters[name]) for name in self._order)
        return session.connection().exec_driver_sql(self._execute, values)


def _as_literal(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return f"{{{','.join('null' if item is None else str(item) for item in value)}}}"
