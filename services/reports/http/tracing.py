"""Traces of the service: an X-Ray segment for each request, if TRACE is set.

Invariant: tracing never fails or delays a request: segments are sent by UDP, with or without a
daemon. No segment contains a body, a query or the name of a customer.
"""

import logging

from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.trace_header import TraceHeader
from aws_xray_sdk.core.sampling.local.sampler import LocalSampler

_FAULT = 500
_ERROR = 400
_THROTTLED = 429

logger = logging.getLogger("lead_billing.tracing")


class Tracing:
    """Begins a segment for each sampled request, and sends it when the request ends."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._emitter = UDPEmitter()
        # One request a second and 5% of the others, unless the caller has decided.
        self._sampler = LocalSampler()

    def begin(self, header: str | None) -> Segment | None:
        """`header`: X-Amzn-Trace-Id, as the load balancer or gateway sends it."""
        try:
            trace = TraceHeader.from_header_str(header)
            sampled = trace.sampled
            if sampled not in {0, 1}:
                sampled = self._sampler.should_trace()
            if not sampled:
                return None
            return Segment(self._service, traceid=trace.root, parent_id=trace.parent)
        except Exception:
            logger.warning("a request could not be traced", exc_info=True)
            return None

    def end(
        self, segment: Segment, route: str, method: str, status: int, correlation_id: str
    ) -> None:
        """Sends the segment with the values of the log line."""
        try:
            segment.put_http_meta("method", method)
            segment.put_http_meta("url", route)
            segment.put_http_meta("status", status)
            segment.put_annotation("correlation_id", correlation_id)
            if status >= _FAULT:
                segment.add_fault_flag()
            elif status >= _ERROR:
                segment.add_error_flag()
            if status == _THROTTLED:
                segment.add_throttle_flag()
            segment.close()
            self._emitter.send_entity(segment)
        except Exception:
            logger.warning("a request could not be traced", exc_info=True)
