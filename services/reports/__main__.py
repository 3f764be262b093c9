"""Serves the reporting service on port 8000, as its container does; with `worker`, works in the
background instead.
"""

import argparse

from services.reports import worker
from services.reports.http.patience import PatientServer
from services.reports.http.request_logging import log_as_json


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.reports", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("serve", "worker"), default="serve")
    if parser.parse_args().part == "worker":
        worker.main()
    else:
        _serve()


def _serve() -> None:
    log_as_json()
    from services.reports.app import app  # noqa: PLC0415 - it reads the settings

    # After SIGTERM, running requests have 24 seconds; ECS sends SIGKILL after 30.
    PatientServer(
        app,
        grace_seconds=24,
        host="0.0.0.0",  # noqa: S104 - its security group admits the load balancer only
        port=8000,
        server_header=False,
    ).run()


if __name__ == "__main__":
    main()
