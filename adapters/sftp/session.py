"""A connection to an SFTP server: made only to the host that is known; its failures in the contract's words."""

from __future__ import annotations

import io
import logging
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import paramiko

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.sftp.client import SftpClient
from adapters.sftp.host_keys import fingerprint

if TYPE_CHECKING:
    from adapters.sftp.host_keys import HostKeys

_KEEP_ALIVE_S: Final = 30
"""How often an idle connection shows that it lives: below the minute after which some firewalls forget it."""
_SAID_MAX: Final = 300
_KEY_CLASSES: Final = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
_PROTOCOL_LOG: Final = f"{__name__}.protocol"
# Whatever the library logs is raised too, and told once by the node.
logging.getLogger(_PROTOCOL_LOG).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where to connect, and as whom; no repr shows a secret."""

    host: str
    port: int
    user: str
    host_keys: HostKeys
    timeout_s: float
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """What people know the server by."""
        return f"{self.user}@{self.host}:{self.port}"


class Session:
    """A connection that is open: ``client`` speaks SFTP over it."""

    def __init__(self, transport: paramiko.Transport, client: SftpClient) -> None:
        self._transport = transport
        self.client = client

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


def connect(login: Login) -> Session:
    """Return a session; raises SourceUnavailableError or SourceNeedsPersonError."""
    transport = _transport(login)
    try:
        _shake_hands(transport, login)
        _authenticate(transport, login)
        transport.set_keepalive(_KEEP_ALIVE_S)
        return Session(transport, _client(transport, login))
    except BaseException:
        transport.close()
        raise


def _transport(login: Login) -> paramiko.Transport:
    try:
        link = socket.create_connection((login.host, login.port), timeout=login.timeout_s)
    except socket.gaierror as error:
        raise SourceUnavailableError(
            f"the name {login.host} leads to no address ({error.strerror}): correct host, or see to the name service"
        ) from error
    except OSError as error:
        raise SourceUnavailableError(f"{login.address} cannot be reached: {error.strerror or error}") from error
    transport = paramiko.Transport(link)
    transport.set_log_channel(_PROTOCOL_LOG)
    transport.banner_timeout = transport.handshake_timeout = login.timeout_s
    transport.auth_timeout = transport.channel_timeout = login.timeout_s
    options = transport.get_security_options()
    options.key_types = login.host_keys.preferred(options.key_types)
    return transport


def _shake_hands(transport: paramiko.Transport, login: Login) -> None:
    """Agree on a cipher, and see that the server is the one that is known, before anything secret is sent."""
    try:
        transport.start_client(timeout=login.timeout_s)
        shown = transport.get_remote_server_key()
    except paramiko.IncompatiblePeer as error:
        raise SourceNeedsPersonError(
            f"{login.address} and the node have no cipher, key exchange or host key type in common ({error}): "
            "bring the server's SSH up to date"
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise SourceUnavailableError(
            f"{login.address} broke off while a connection was made: {_said(error)}"
        ) from error
    seen = fingerprint(shown.asbytes())
    if seen not in login.host_keys.fingerprints:
        raise SourceNeedsPersonError(
            f"{login.address} shows the host key {seen} ({shown.get_name()}), which is not in host_keys: it is another "
            "server, or its key was changed. Compare it with what its administrator says, by telephone or on paper, "
            "and only then put it into host_keys"
        )


def _authenticate(transport: paramiko.Transport, login: Login) -> None:
    key = private_key(login.private_key, login.passphrase) if login.private_key else None
    try:
        if key is None:
            transport.auth_password(login.user, login.password)
        elif transport.auth_publickey(login.user, key) and login.password:
            # A server may want both: then the key alone returns what is still missing.
            transport.auth_password(login.user, login.password)
    except paramiko.BadAuthenticationType as error:
        raise SourceNeedsPersonError(
            f"{login.address} does not take this way of signing in, only: {', '.join(error.allowed_types)}; "
            "give the secret that it wants (private_key or password)"
        ) from error
    except paramiko.AuthenticationException as error:
        if "timeout" in str(error) or "EOF" in str(error):
            raise SourceUnavailableError(f"{login.address} broke off while signing in") from error
        raise _refused(login) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise SourceUnavailableError(f"{login.address} broke off while signing in: {_said(error)}") from error
    if not transport.is_authenticated():
        raise _refused(login)


def _refused(login: Login) -> SourceNeedsPersonError:
    which = "private_key" if login.private_key else "password"
    return SourceNeedsPersonError(
        f"{login.address} refuses the {which}: it is wrong or expired, or the account is locked; "
        "ask the server's administrator, then set the secret anew"
    )


def _client(transport: paramiko.Transport, login: Login) -> SftpClient:
    channel = None
    try:
        channel = transport.open_session(timeout=login.timeout_s)
        channel.settimeout(login.timeout_s)
        channel.invoke_subsystem("sftp")
        return SftpClient(channel)
    except (paramiko.SSHException, EOFError, OSError) as error:
        if not transport.is_active() or isinstance(error, TimeoutError):
            raise SourceUnavailableError(f"{login.address} broke off: {_said(error)}") from error
        heard = channel.recv_stderr(_SAID_MAX) if channel is not None and channel.recv_stderr_ready() else b""
        said = heard.decode("utf-8", "replace").strip()
        raise SourceNeedsPersonError(
            f"{login.address} lets us in and opens no SFTP session ({said or _said(error)}): have the account allowed "
            "to use SFTP; an expired password has to be changed first"
        ) from error


def private_key(text: str, passphrase: str) -> Any:
    """Return the key in ``text`` (PEM or OpenSSH form); raises SourceNeedsPersonError when it cannot be read."""
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text), password=passphrase or None)
        except paramiko.PasswordRequiredException:
            raise SourceNeedsPersonError("private_key is encrypted: set private_key_passphrase") from None
        except (paramiko.SSHException, ValueError, TypeError, IndexError):
            continue
    raise SourceNeedsPersonError(
        "private_key cannot be read: give a key of type Ed25519, ECDSA or RSA as ssh-keygen writes it, and the right "
        "private_key_passphrase"
    )


def _said(error: BaseException) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in str(error)[:_SAID_MAX])
    return text or type(error).__name__
