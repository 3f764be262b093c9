"""Serves the reporting service on port 8000, as its container does."""

import uvicorn

from services.reports.http.request_logging import log_as_json


def main() -> None:
    log_as_json()
    uvicorn.run(
        "services.reports.app:app",
        host="0.0.0.0",  # noqa: S104 - its security group admits the load balancer only
        port=8000,
        log_config=None,  # log_as_json has configured logging
        access_log=False,  # it would log queries, which contain personal data
        server_header=False,
        # After SIGTERM, running requests have 25 seconds; ECS sends SIGKILL after 30.
        timeout_graceful_shutdown=25,
    )


if __name__ == "__main__":
    main()
