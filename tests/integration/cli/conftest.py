from __future__ import annotations

from tests.support.stores import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]
