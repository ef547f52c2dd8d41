"""The kind ``soap``: what a department's web service hands out, called by its WSDL.

docs/reference/adapter-soap.md is its reference.
"""

from __future__ import annotations

from typing import Final

from adapters.contract import AdapterKind
from adapters.soap.caller import SoapAdapter
from adapters.soap.settings import SETTINGS

KIND: Final = AdapterKind(
    name="soap",
    zh="SOAP 服务拉取（WSDL）",
    en="SOAP service, pulled (WSDL)",
    settings=SETTINGS,
    open=SoapAdapter,
    every_s=60.0,
    patience_s=180.0,
    delivers=True,
    scale={
        "checked_before_saving": "done",
        "stable_key": "done",
        "answered_after_commit": "done",
        "bounded": "done",
        "secrets_apart": "done",
        "settings_documented": "done",
        "away_and_back": "done",
        "needs_person": "done",
        "resumes": "done",
        "nothing_twice": "done",
        "hostile_input": "done",
        "real_peer": "done",
        "delivers_downward": "done",
        "faults": "done",
        "troubleshooting": "done",
        "speed": "done",
    },
)
