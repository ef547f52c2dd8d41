"""The source keys of a delivery so far: what tells that a record stands in it twice, before anything is written.

Called by the check of conformance and by the preview of an import. Memory is bounded: keys are short digests, and
beyond ``KEYS_MAX`` they are counted only.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from node.departments.prepare import Prepared

KEYS_MAX: Final = 200_000
"""Keys remembered to tell which records stand twice: some 40 MB. Our own choice."""
CONFLICT: Final = "the file has an earlier record of this key with other content: raise DataVersion or Sequence"
_DIGEST_BYTES: Final = 8


class SeenKeys:
    """Digests of keys with those of their contents; ``unchecked`` counts the keys for which there was no room."""

    def __init__(self) -> None:
        self._held: dict[bytes, bytes] = {}
        self.unchecked = 0

    def known(self, one: Prepared) -> bool:
        """Tell whether a record of this key stood before; else remember it, while there is room."""
        key = _digest(one)
        if key in self._held:
            return True
        if len(self._held) < KEYS_MAX:
            self._held[key] = one.content_hash[:_DIGEST_BYTES]
        else:
            self.unchecked += 1
        return False

    def same(self, one: Prepared) -> bool:
        """Tell whether the record that stood before under a known key had the same content."""
        return self._held[_digest(one)] == one.content_hash[:_DIGEST_BYTES]


def _digest(one: Prepared) -> bytes:
    return hashlib.blake2b(one.source_key.encode(), digest_size=_DIGEST_BYTES).digest()
