"""Serves the reporting service on port 8000, as its container does."""

import uvicorn

from services.reports.http.request_logging import log_as_json


def main() -> None:
    log_as_json()
    uvicorn.run(
        "services.reports.app:app",
        host="0.0.0.0",  # noqa: S104 - only the load balancer's security group gets here
        port=8000,
        log_config=None,  # ours stands
        access_log=False,  # which would name people: queries hold their addresses
        server_header=False,
        # Requests under way get 25 seconds after SIGTERM; ECS sends SIGKILL after 30.
        timeout_graceful_shutdown=25,
    )


if __name__ == "__main__":
    main()
