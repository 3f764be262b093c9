"""The service keeps a connection for longer than the load balancer in front of it."""

import re
from pathlib import Path

from services.reports.http.patience import PatientServer

_LOAD_BALANCER = Path("terraform/modules/ecs_service/main.tf")


async def _app(*_arguments: object) -> None:
    """Serves nothing."""


def test_load_balancer_is_the_first_to_close_an_idle_connection() -> None:
    idle = re.search(r"idle_timeout\s*=\s*(\d+)", _LOAD_BALANCER.read_text())

    assert idle is not None
    assert PatientServer(_app, grace_seconds=1).config.timeout_keep_alive > int(idle[1])
