"""The kind ``open_api``: what a department's system gives out over HTTP, page by page.

docs/reference/adapter-open-api.md is its reference.
"""

from __future__ import annotations

from typing import Final

from adapters.contract import AdapterKind
from adapters.open_api.puller import OpenApiAdapter
from adapters.open_api.settings import SETTINGS

KIND: Final = AdapterKind(
    name="open_api",
    zh="开放接口拉取（HTTP：JSON、XML、CSV）",
    en="open API, pulled (HTTP: JSON, XML, CSV)",
    settings=SETTINGS,
    open=OpenApiAdapter,
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
