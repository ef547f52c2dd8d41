"""What every bridge over a record line needs: keys out of a secret, and deliveries out of messages and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from adapters.contract import Delivery, SourceNeedsPersonError
from adapters.record_line.key_text import key_of_text
from adapters.record_line.opening import TERMINAL_NAME
from adapters.record_line.speaking import Message

if TYPE_CHECKING:
    from datetime import datetime

NAME_LENGTH_MAX: Final = 255
_MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]{1,80}")


def keys_of_terminals(text: str) -> dict[str, bytes]:
    """Return the keys of terminals by name, from ``NAME=KEY`` with white space between.

    Raises SourceNeedsPersonError, which repeats no key, when the text is not of this form.
    """
    keys: dict[str, bytes] = {}
    for pair in text.split():
        name, equals, typed = pair.partition("=")
        if not equals or not TERMINAL_NAME.fullmatch(name):
            # Not repeated: what stands in the wrong place may be a key.
            raise SourceNeedsPersonError("terminal_keys is not of the form name=key name=key")
        if name in keys:
            raise SourceNeedsPersonError(f"terminal_keys holds two keys for {name!r}")
        try:
            keys[name] = key_of_text(typed)
        except ValueError as problem:
            raise SourceNeedsPersonError(f"the key of {name!r} cannot be read: {problem}") from None
    return keys


def delivery_of(message: Message, source_id: str, fetched_at: datetime) -> Delivery:
    """Return a message as the node takes it; what a terminal says of type and name is made presentable."""
    return Delivery(
        source_id=source_id,
        delivery_key=message.key,
        content=message.content,
        media_type=message.media_type if _MEDIA_TYPE.fullmatch(message.media_type) else "application/octet-stream",
        fetched_at=fetched_at,
        name="".join(one if one.isprintable() else "_" for one in message.name)[:NAME_LENGTH_MAX],
    )


def message_of(delivery: Delivery) -> Message:
    """Return as much of the message that was delivered as an answer needs."""
    terminal = delivery.delivery_key.partition("/")[0]
    return Message(terminal=terminal, key=delivery.delivery_key, content=b"", media_type=delivery.media_type)
