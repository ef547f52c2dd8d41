"""A department's web service by its WSDL: operations called with plain arguments, faults sorted by who acts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import zeep
from zeep import Settings
from zeep.exceptions import Error, Fault, TransportError, ValidationError, XMLSyntaxError
from zeep.helpers import serialize_object
from zeep.wsse.username import UsernameToken

from adapters.contract import AdapterError, SourceNeedsPersonError, SourceUnavailableError
from adapters.soap.transport import BoundTransport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.pulling.http_client import HttpClient
    from adapters.soap.settings import Plan

TEXT_MAX: Final = 120
_new_client: Any = zeep.Client
_new_token: Any = UsernameToken
_plain: Any = serialize_object
"""What zeep gives no types to."""
_OURS: Final = ("client", "sender", "mustunderstand", "versionmismatch", "dataencodingunknown")
"""Fault codes by which the caller is at fault (SOAP 1.1, 4.4.1; SOAP 1.2 part 1, 5.4.6)."""
_LOCKED_OUT: Final = (
    "failedauthentication",
    "failedcheck",
    "invalidsecurity",
    "invalidsecuritytoken",
    "messageexpired",
)
"""Fault codes of WS-Security 1.1, 12."""


class Service:
    """The service; its WSDL is read at the first use, once."""

    def __init__(self, client: HttpClient, plan: Plan) -> None:
        self._http = client
        self._plan = plan
        self._client: Any = None
        self._bound: Any = None

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        """Call an operation and return what comes back, as plain dictionaries, lists and texts.

        Raises SourceUnavailableError and SourceNeedsPersonError.
        """
        bound = self._ready()
        with _told(f"operation {operation}"):
            return _plain(self._operation(bound, operation)(**arguments), dict)

    def look(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """See that the WSDL has an operation that takes these arguments, without calling it."""
        bound = self._ready()
        with _told(f"operation {operation}"):
            self._operation(bound, operation)
            self._client.create_message(bound, operation, **arguments)

    def _ready(self) -> Any:
        if self._bound is None:
            plan = self._plan
            with _told("the WSDL"):
                token = None
                if plan["security"] != "none":
                    digest = plan["security"] == "digest"
                    token = _new_token(plan["security_user"], plan.security_password, use_digest=digest)
                self._client = _new_client(
                    plan["wsdl"],
                    wsse=token,
                    transport=BoundTransport(self._http, plan),
                    settings=Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False),
                )
                self._bound = self._port()
        return self._bound

    def _port(self) -> Any:
        plan = self._plan
        bound = self._client.bind(plan["service"] or None, plan["port"] or None)
        if bound is None:
            raise SourceNeedsPersonError("the WSDL names no service: correct wsdl")
        if plan["endpoint"]:
            return self._client.create_service(bound._binding.name, plan["endpoint"])  # noqa: SLF001 - zeep's only way.
        return bound

    def _operation(self, bound: Any, operation: str) -> Any:
        known = bound._operations  # noqa: SLF001 - zeep names them nowhere else.
        if operation not in known:
            listed = ", ".join(sorted(known))[:500]
            raise SourceNeedsPersonError(f"the service has no operation {operation}; there are {listed}")
        return known[operation]


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn zeep's errors in the block into those of the contract."""
    try:
        yield
    except AdapterError:
        raise
    except Fault as error:
        raise _meaning(error) from error
    except XMLSyntaxError as error:
        raise SourceUnavailableError(f"{what}: the answer is no XML that can be read") from error
    except TransportError as error:
        raise SourceUnavailableError(f"{what}: the answer cannot be read ({error.status_code})") from error
    except (ValidationError, TypeError) as error:
        raise SourceNeedsPersonError(f"{what} takes other arguments: {str(error)[:TEXT_MAX]}; correct them") from error
    except (Error, ValueError, LookupError, AttributeError) as error:
        raise SourceNeedsPersonError(
            f"{what} cannot be used ({type(error).__name__}: {str(error)[:TEXT_MAX]}): correct wsdl, service or port"
        ) from error


def _meaning(fault: Fault) -> AdapterError:
    code = str(fault.code or "").rpartition(":")[2].rpartition("}")[2]
    said = f"{code}: {str(fault.message or '')[:TEXT_MAX]}"
    if code.lower() in _LOCKED_OUT:
        return SourceNeedsPersonError(f"the service does not let us in ({said}): check the secret security_password")
    if code.lower().partition(".")[0] in _OURS:
        # Many services tell this of a wrong password too.
        return SourceNeedsPersonError(
            f"the service refuses the call ({said}): check the arguments, and where it asks for one the secret "
            "security_password"
        )
    return SourceUnavailableError(f"the service cannot answer now ({said})")
