"""TLS to the database: its certificate must lead to the roots, and be of its name."""

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509

from common.database.engine import forget_engines
from common.database.transactions import transaction
from common.problems import DatabaseUnavailable
from common.settings import settings
from tests.support.api import PROJECT

ROOTS = PROJECT / "common" / "database" / "rds_roots.pem"


def self_signed(directory: Path, name: str, subject: str) -> Path:
    file = directory / f"{name}.pem"
    key = file.with_suffix(".key")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        f" -subj /CN={subject} -addext subjectAltName=DNS:{subject} -keyout {key} -out {file}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return file


@contextmanager
def server_with(certificate: Path) -> Iterator[int]:
    """The port of a server that speaks TLS as PostgreSQL does, and then refuses to go on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:  # it was closed
                return
            with plain, suppress(OSError):
                plain.recv(8)
                plain.sendall(b"S")
                with context.wrap_socket(plain, server_side=True) as trusted:
                    trusted.recv(1024)
                    words = b"SFATAL\0C57P03\0Mreached\0\0"
                    trusted.sendall(b"E" + (len(words) + 4).to_bytes(4, "big") + words)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_certificate_must_lead_to_the_roots_and_be_of_the_databases_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = self_signed(tmp_path, "own", "localhost")
    other = self_signed(tmp_path, "other", "localhost")

    def words(roots: str, host: str) -> str:
        monkeypatch.setenv("DATABASE_HOST", host)
        monkeypatch.setenv("DATABASE_ROOT_CERTIFICATES", roots)
        settings.cache_clear()
        forget_engines()
        with pytest.raises(DatabaseUnavailable) as refused, transaction():
            pass
        return str(refused.value.__cause__)

    with server_with(own) as port:
        monkeypatch.setenv("DATABASE_PORT", str(port))
        told = [
            words(roots, host)
            for roots, host in (
                (str(own), "localhost"),
                (str(own), "127.0.0.1"),
                (str(other), "localhost"),
                ("rds", "localhost"),
            )
        ]
    settings.cache_clear()
    forget_engines()

    assert "reached" in told[0]
    assert 'does not match host name "127.0.0.1"' in told[1]
    assert "certificate verify failed" in told[2]
    assert "certificate verify failed" in told[3]


def test_bundled_roots_are_roots_of_amazon_rds_for_years_to_come() -> None:
    texts = re.findall(
        "-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", ROOTS.read_text(), re.DOTALL
    )
    roots = [x509.load_pem_x509_certificate(text.encode()) for text in texts]

    for root in roots:
        root.verify_directly_issued_by(root)
        assert root.subject == root.issuer
        assert re.search(
            "CN=Amazon RDS .* Root CA (RSA|ECC)[0-9]+ G1", root.subject.rfc4514_string()
        )
        assert root.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3 * 365)
    assert len(roots) > 60
