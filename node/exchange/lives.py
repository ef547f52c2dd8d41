"""Two live processes of one node (02, R12): a machine that was cloned, or a home that runs on two machines.

Both have the keys, so both may speak; if both wrote, the node would sign two histories. A process that was started
again names a new start id, and the one before it is heard no more, but for what was on its way when it ended. That is
refused as ``stale``; a process that lives answers by opening its conversation again, which a dead one never does. Then
two of them live: the one that came second is refused until the first has been silent for as long as makes a child
``down``. Nothing of it is taken, and both sides raise an alarm.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from node.errors import PackageRefusedError
from node.exchange.head import OPEN
from node.journal.alarms import raise_alarm

if TYPE_CHECKING:
    from node.exchange.context import Context
    from node.exchange.conversation import Conversation
    from node.exchange.head import Head

SECOND: Final = "second"
"""Reason for refusing a whole package: another process of its sender lives."""
STALE: Final = "stale"
"""Reason for refusing what a process had on its way when another one took its place."""
TWO_LIVES_ALARM: Final = "OWN_CODE"

_LOG: Final = logging.getLogger(__name__)


class Lives:
    """Watches the start ids of neighbours; its state lies in the conversations."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def check(self, conversation: Conversation, head: Head) -> None:
        """Raise PackageRefusedError ``second`` for a package of a process that is not the only one of its node."""
        with conversation.lock:
            if head.start_id == conversation.second and not self._is_first_silent(conversation):
                raise PackageRefusedError(
                    SECOND,
                    f"Another process of {head.sender} lives and was heard of before.",
                    why="two machines run with the keys of one node",
                )
            if head.start_id == conversation.lived:
                conversation.lived_at_s = self._context.clock.monotonic_s()
            elif head.start_id == conversation.before:
                self._look_again(conversation, head)
            elif head.purpose == OPEN:
                self._begin(conversation, head.start_id)

    def _begin(self, conversation: Conversation, start_id: str) -> None:
        conversation.before, conversation.lived = conversation.lived, start_id
        conversation.lived_at_s = self._context.clock.monotonic_s()

    def _look_again(self, conversation: Conversation, head: Head) -> None:
        """Take the first process for the one that counts when it opens again after the second one has begun."""
        if head.purpose != OPEN:
            raise PackageRefusedError(
                STALE,
                f"Another process of {head.sender} has begun since.",
                why="what an earlier one had on its way is sent again",
            )
        _LOG.error("two processes of one node", extra={"peer": conversation.peer})
        # First: a store that fails now is told when the process opens again, as long as nothing is decided.
        self._context.store.write(
            lambda transaction: raise_alarm(
                transaction,
                TWO_LIVES_ALARM,
                f"{conversation.peer} lives twice",
                f"Two processes with the keys of {conversation.peer} are running; the second is refused. Was its "
                "machine cloned, or its home copied? Stop one of them.",
                raised_at=self._context.clock.now(),
            )
        )
        conversation.second, conversation.before = conversation.lived, None
        conversation.lived = head.start_id
        conversation.lived_at_s = self._context.clock.monotonic_s()

    def _is_first_silent(self, conversation: Conversation) -> bool:
        silent_s = self._context.clock.monotonic_s() - conversation.lived_at_s
        if silent_s <= self._context.limits.silence_s_max:
            return False
        conversation.second = None
        return True
