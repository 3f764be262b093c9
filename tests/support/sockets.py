"""Clients that speak HTTP by hand, so that they can stop in the middle."""

import socket

import httpx


def socket_of(gateway: httpx.Client, request: str) -> socket.socket:
    """A socket that has sent a request, and reads nothing."""
    url = gateway.base_url
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(15)
    made.connect((url.host, url.port))
    made.sendall(request.encode())
    return made
