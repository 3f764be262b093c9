"""Hostile clients beside honest ones: what they cost the honest ones (part of `make bench-load`).

As a command it is the hostile side, which is a process of its own: its work must not count as time
that the honest clients wait. It begins and rests by lines of its standard input. Invariant: both
sides of the ratio are turns of the same honest clients on the same server.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from benchmarks import workload
from benchmarks.measure import Finding
from benchmarks.servers import Client, Server
from common.access.tokens import Token
from common.json_reader import MAX_BODY_BYTES

TURNS = 3  # of each side
SECONDS_PER_TURN = 4.0
MAX_P99 = 3.0
KEYS = 4
_SETTLING_SECONDS = 1.0
_LARGE_BATCHES = 20  # of 200 leads: the month whose drafts and files are asked for
_FIRST_SEED = 10**15  # behind those of all honest clients
_REPORT = f"/billing/reports/{workload.LARGE_CUSTOMER}/{workload.PERIOD}"


def fill(server: Server, key: Token) -> None:
    """Stores a month that is large: all of it of one customer."""
    client = Client(server)
    client.headers = {"Authorization": f"Bearer {key.text}"}
    for number in range(_LARGE_BATCHES):
        leads = workload.batch(_FIRST_SEED + number, 200)
        for lead in leads:
            lead["customer_id"] = workload.LARGE_CUSTOMER
        client.post_leads(workload.body(leads))


def finding(alone: Sequence[float], beside: Sequence[float], sent: Counter[str]) -> Finding:
    """Of the seconds that single leads took alone and beside hostile clients."""
    return Finding(
        "hostile",
        "Single leads over HTTP beside hostile clients, p99 against p99 without them, in turns",
        _p99(beside) / _p99(alone),
        MAX_P99,
        details={
            "alone_ms": round(_p99(alone) * 1000, 2),
            "beside_ms": round(_p99(beside) * 1000, 2),
        }
        | dict(sorted(sent.items())),
    )


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


class HostileClients:
    """The hostile side: it rests until it is let loose. `sent`: what it has sent, by kind."""

    def __init__(self, server: Server, keys: Sequence[Token]) -> None:
        self.sent: Counter[str] = Counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hostile", server.host, str(server.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps([key.text for key in keys]))

    @contextmanager
    def loose(self) -> Iterator[None]:
        self._say("begin")
        time.sleep(_SETTLING_SECONDS)
        yield
        self._say("rest")
        assert self._process.stdout is not None  # noqa: S101 (for mypy)
        self.sent.update(json.loads(self._process.stdout.readline()))
        time.sleep(_SETTLING_SECONDS)

    def end(self) -> None:
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 (for mypy)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@dataclass
class _Enemy:
    """What the hostile clients know: the server, keys of its own, and when to stop."""

    address: tuple[str, int]
    keys: list[str]
    ended: threading.Event = field(default_factory=threading.Event)
    sent: Counter[str] = field(default_factory=Counter)

    def ask(
        self, kind: str, path: str, key: str | None, method: str = "GET", length: int = 0
    ) -> socket.socket:
        """A socket that has sent a request but for its body, and has read nothing."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.settimeout(2)
        made.connect(self.address)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        lines += [f"Authorization: Bearer {key}"] if key else []
        lines += [f"Content-Length: {length}"] if length else []
        made.sendall("\r\n".join([*lines, "", ""]).encode())
        self.sent[kind] += 1
        return made

    def do_not_read(self) -> None:
        """Asks for large files and leaves them unread."""
        with ExitStack() as unread:
            for extension in ("csv", "ndjson", "html") * 4:
                unread.enter_context(self.ask("unread", f"{_REPORT}.{extension}", self.keys[0]))
            self.ended.wait(3)

    def abandon_drafts(self) -> None:
        self._abandon("drafts", _REPORT, self.keys[1])

    def abandon_files(self) -> None:
        self._abandon("files", f"{_REPORT}.pdf", self.keys[2])

    def _abandon(self, kind: str, path: str, key: str) -> None:
        with self.ask(kind, path, key):
            self.ended.wait(0.05)

    def send_slowly(self) -> None:
        """Begins many bodies, and sends a byte of each from time to time."""
        paths = ("/leads", "/console/sign-in", "/imports?preset=generic")
        with ExitStack() as slow:
            senders = [
                slow.enter_context(self.ask("slow", path, None, "POST", 1_000))
                for path in paths * 12
            ]
            for _ in range(20):
                self.ended.wait(0.2)
                for sender in senders:
                    with suppress(OSError):
                        sender.sendall(b" ")

    def guess_keys(self) -> None:
        with self.ask("guesses", "/customers", Token.new().text) as made:
            made.recv(4096)
        self.ended.wait(0.02)

    def send_large_bodies(self) -> None:
        """Bodies over the limit, and bodies within it that are nothing but structure."""
        over, within = b"[" * (MAX_BODY_BYTES + 1), b"[" + b"1," * (MAX_BODY_BYTES // 2 - 2) + b"1]"
        for body, path in ((over, "/leads"), (within, "/billing/simulations"), (within, "/leads")):
            with self.ask("large", path, self.keys[3], "POST", len(body)) as made:
                made.sendall(body)
                made.recv(4096)
            self.ended.wait(0.5)

    def attack(self, act: Callable[[], None]) -> None:
        while not self.ended.is_set():
            try:
                act()
            except OSError:  # the server closed it, or takes no more
                self.ended.wait(0.1)


def main() -> None:
    host, port = sys.argv[1:]
    keys = json.loads(sys.stdin.readline())
    while sys.stdin.readline():  # "begin"
        enemy = _Enemy((host, int(port)), keys)
        acts = (
            enemy.do_not_read,
            *(enemy.abandon_drafts, enemy.abandon_files) * 3,
            enemy.send_slowly,
            *(enemy.guess_keys,) * 3,
            enemy.send_large_bodies,
        )
        threads = [threading.Thread(target=enemy.attack, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        sys.stdin.readline()  # "rest"
        enemy.ended.set()
        for thread in threads:
            thread.join()
        print(json.dumps(enemy.sent), flush=True)


if __name__ == "__main__":
    main()
