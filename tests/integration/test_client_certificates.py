"""Client certificates over real TLS, made by openssl: who is let in, who is hung up on, and who is nobody."""

from __future__ import annotations

import ssl
import subprocess
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from flask import Flask

from node.clock import MachineClock
from node.config import Listener
from node.departments.certificates import name_of_file
from node.departments.credentials import Issuer
from node.departments.source_changes import Change, Names, change_source, disable_source
from node.departments.sources import add_source
from node.errors import ConfigurationError
from node.randomness import SystemRandomness
from node.web.authentication import Authentication
from node.web.listeners import HttpListener, face_context
from node.web.open_api import open_api_blueprint
from tests.support.intake import NODE, intake_on
from tests.support.openssl_certificates import ENDED, Authority, Pair
from tests.support.samples import record
from tests.support.stores import file_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.journal.store import Store

__all__ = ["file_store"]

pytestmark = pytest.mark.integration

FEE = record("Fee", DivisionCode=NODE)
SUBJECT = "/O=测试局/CN=hall"


class Certificates:
    """What the tests show to the listener."""

    def __init__(self, folder: Path) -> None:
        ours, others = Authority(folder / "ours", "Our authority"), Authority(folder / "others", "Another authority")
        names = "DNS:Hall.Example.CN,URI:urn:hall,email:hall@example.cn,IP:192.0.2.7"
        self.authority = ours.certificate
        self.server = ours.issue("localhost", names="DNS:localhost,IP:127.0.0.1")
        self.hall = ours.issue("hall", names=names, subject=SUBJECT)
        self.renewed = ours.issue("renewed", names=names, subject=SUBJECT)
        self.stranger = ours.issue("stranger")
        self.ended = ours.issue("ended", names=names, subject=SUBJECT, dates=ENDED)
        self.foreign = others.issue("foreign", names=names, subject=SUBJECT)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("openssl"))


@contextmanager
def listening(store: Store, certificates: Certificates, *, asks: bool = True) -> Iterator[str]:
    """The address of a listener with the open API; ``asks`` for client certificates of our authority."""
    place = Listener(
        host="127.0.0.1",
        port=0,
        certificate_file=certificates.server.certificate,
        key_file=certificates.server.key,
        client_ca_file=certificates.authority if asks else None,
    )
    intake = intake_on(store)
    application = Flask(__name__)
    # The certificates are of this year, so time is the machine's.
    application.register_blueprint(open_api_blueprint(intake, authentication=Authentication(store, MachineClock())))
    served = HttpListener("face", application, place, threads=4, body_bytes_max=100_000, context=face_context(place))
    served.bind()
    served.start()
    try:
        yield f"https://localhost:{served.port}/api/v1/records"
    finally:
        served.stop()


@pytest.fixture
def address(file_store: Store, certificates: Certificates) -> Iterator[str]:
    with listening(file_store, certificates) as found:
        yield found


def trusting(certificates: Certificates, shown: Pair | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.authority)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


def post(address: str, certificates: Certificates, shown: Pair | None, **headers: str) -> int:
    """Send a record, showing a certificate; return the status, 0 when there is no answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with httpx.Client(verify=trusting(certificates, shown), timeout=20) as client:
            return client.post(address, content=FEE, headers={"Content-Type": "application/xml", **named}).status_code
    except httpx.TransportError:
        return 0


def bound(store: Store, *names: str, source: str = "hall", **settings: tuple[str, ...]) -> None:
    add_source(
        store,
        source,
        clock=MachineClock(),
        randomness=SystemRandomness(),
        certificates=names,
        **{"modes": ("certificate",), **settings},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("name", "renewed"),
    [
        ("", False),
        ("DNS:hall.example.cn", True),
        ("URI:urn:hall", True),
        ("EMAIL:hall@example.cn", True),
        ("IP:192.0.2.7", True),
        ("DN:CN=hall,O=测试局", True),
    ],
)
def test_a_certificate_is_known_by_itself_or_by_a_name_in_it(
    address: str, file_store: Store, certificates: Certificates, name: str, *, renewed: bool
) -> None:
    bound(file_store, name or name_of_file(certificates.hall.certificate.read_bytes()))
    assert post(address, certificates, certificates.hall) == 200
    assert (post(address, certificates, certificates.renewed) == 200) is renewed
    assert post(address, certificates, certificates.stranger) == 401
    assert post(address, certificates, None) == 401


def test_openssl_and_we_name_a_certificate_alike(certificates: Certificates) -> None:
    path = certificates.hall.certificate
    said = subprocess.run(
        ["openssl", "x509", "-in", str(path), "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    digits = said.partition("=")[2].strip().replace(":", "").lower()
    assert name_of_file(path.read_bytes()) == f"SHA256:{digits}"


@pytest.mark.parametrize("which", ["ended", "foreign"])
def test_a_certificate_that_ended_or_is_of_another_authority_is_hung_up_on(
    address: str, file_store: Store, certificates: Certificates, which: str
) -> None:
    shown: Pair = getattr(certificates, which)
    bound(file_store, name_of_file(shown.certificate.read_bytes()), "DNS:hall.example.cn")
    assert post(address, certificates, shown) == 0
    assert post(address, certificates, certificates.hall) == 200


def test_a_certificate_that_is_taken_away_counts_no_more_on_an_open_connection(
    address: str, file_store: Store, certificates: Certificates
) -> None:
    bound(file_store, "DNS:hall.example.cn", "URI:urn:other")
    headers = {"Content-Type": "application/xml"}
    with httpx.Client(verify=trusting(certificates, certificates.hall), timeout=20) as client:
        assert client.post(address, content=FEE, headers=headers).status_code == 200
        change_source(
            file_store,
            "hall",
            Change(remove=Names(certificates=("DNS:hall.example.cn",))),
            clock=MachineClock(),
            issuer=Issuer(randomness=SystemRandomness()),
        )
        assert client.post(address, content=FEE, headers=headers).status_code == 401


def test_a_certificate_ends_on_an_open_connection_too(file_store: Store, certificates: Certificates) -> None:
    bound(file_store, "DNS:hall.example.cn")
    pem = certificates.hall.certificate.read_text(encoding="ascii")
    ahead = MachineClock(ahead=timedelta(days=365 * 80))
    for clock, status in ((MachineClock(), 200), (ahead, 401)):
        application = Flask(__name__)
        authentication = Authentication(file_store, clock)
        application.register_blueprint(open_api_blueprint(intake_on(file_store), authentication=authentication))
        verified = {"SSL_CLIENT_CERT": pem, "SSL_CLIENT_VERIFY": "SUCCESS"}
        answer = application.test_client().post(
            "/api/v1/records", data=FEE, content_type="application/xml", environ_overrides=verified
        )
        assert answer.status_code == status


def test_a_certificate_that_speaks_for_two_sources_speaks_for_none_unless_it_is_named_itself(
    address: str, file_store: Store, certificates: Certificates
) -> None:
    bound(file_store, "DNS:hall.example.cn")
    bound(file_store, "URI:urn:hall", source="tax")
    assert post(address, certificates, certificates.hall) == 401
    bound(file_store, name_of_file(certificates.hall.certificate.read_bytes()), source="land")
    assert post(address, certificates, certificates.hall) == 200
    disable_source(file_store, "land", clock=MachineClock())
    disable_source(file_store, "tax", clock=MachineClock())
    assert post(address, certificates, certificates.hall) == 200


def test_a_certificate_and_a_key_are_of_one_source(address: str, file_store: Store, certificates: Certificates) -> None:
    bound(file_store, "DNS:hall.example.cn")
    made = add_source(file_store, "tax", clock=MachineClock(), randomness=SystemRandomness())
    key = {"Authorization": f"Bearer {made.key}"}
    assert post(address, certificates, certificates.hall, **key) == 401
    assert post(address, certificates, certificates.stranger, **key) == 200


@pytest.mark.parametrize(
    "header", ["SSL_CLIENT_CERT", "X_SSL_Client_Cert", "X_Client_Cert", "X_Forwarded_Client_Cert", "Client_Cert"]
)
def test_what_a_header_says_of_a_certificate_is_not_believed(
    file_store: Store, certificates: Certificates, header: str
) -> None:
    bound(file_store, "DNS:hall.example.cn")
    pem = certificates.hall.certificate.read_text(encoding="ascii").replace("\n", " ").strip()
    with listening(file_store, certificates, asks=False) as address:
        said = {header: pem, "SSL_CLIENT_VERIFY": "SUCCESS"}
        assert post(address, certificates, None, **said) == 401
        # Nobody is asked for a certificate here, so none is seen.
        assert post(address, certificates, certificates.hall) == 401


def test_authorities_that_cannot_be_read_are_a_configuration_error(tmp_path: Path, certificates: Certificates) -> None:
    for content in (None, "no pem"):
        path = tmp_path / "authorities.pem"
        if content is not None:
            path.write_text(content, encoding="ascii")
        place = Listener(
            host="127.0.0.1",
            port=0,
            certificate_file=certificates.server.certificate,
            key_file=certificates.server.key,
            client_ca_file=path,
        )
        with pytest.raises(ConfigurationError, match="authorities of client certificates"):
            face_context(place)
