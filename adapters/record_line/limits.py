"""Every number of the record line that is not a code on the wire (docs/reference/record-line.md lists them).

Where no source is named, the number is our own choice, for the reason beside it. This module and those that both ends
of a line run are also part of the terminal's single file, so they keep to what Python 3.8 knows.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 1

FRAGMENT_BYTES_MIN: Final = 24
"""Below that a frame is mostly its own head and tail."""
FRAGMENT_BYTES_START: Final = 512
"""Survives a line with one flipped bit in 10,000 in two of three tries, until the line is known."""
FRAGMENT_BYTES_MAX: Final = 2_048
"""99 % of a clean line are payload then; more would only make what waits behind a frame wait longer."""
PROBE_BYTES: Final = 64
"""So few are sent when nothing was answered: they get through where longer frames do not."""
FRAME_OVERHEAD_BYTES: Final = 24
"""What a frame costs beside the fragment: head, offset, tag, CRC, stuffing, delimiter."""
FRAME_BYTES_MAX: Final = FRAGMENT_BYTES_MAX + 64
"""Of a frame without its stuffing; also the most that a receiver gathers while it waits for a delimiter."""
FRAGMENT_S_MAX: Final = 0.125
"""So long may one fragment occupy a slow line, so that an acknowledgement does not wait longer."""

RECEIVE_BUFFER_BYTES: Final = 65_536
"""What an end promises to hold of what has not been read yet; a small device may promise less."""
RECEIVE_BUFFER_MIN: Final = 256
SEND_BUFFER_BYTES: Final = 8_192
"""So many compressed bytes are made ahead of the line: what comes after them can still be compressed together."""
BURST_BYTES: Final = 32_768
"""So much of what waits is compressed in one go; deflate looks back as far."""
MISSING_BYTES_MAX: Final = 32
"""Of the list of missing frames in an acknowledgement: one bit a frame."""
REPLAY_FRAMES: Final = 8 * MISSING_BYTES_MAX
"""So far behind the newest frame a late one is still known as new or old; on a line nothing overtakes."""

WINDOW_BYTES_START: Final = 2_048
WINDOW_BYTES_MIN: Final = 1_024
WINDOW_BYTES_MAX: Final = 32_768
"""On its way at once: a third of a second at 921,600 bit/s, far more than a round trip takes."""
WINDOW_S: Final = 0.5
"""Of the line's measured speed that may be on its way at once, or one and a half round trips where those are longer."""

ACK_DELAY_S: Final = 0.02
ACK_FRAMES: Final = 4
"""An acknowledgement leaves after so many frames or so long, and at once when one is missing."""
TIMEOUT_MIN_S: Final = 0.1
"""RFC 6298 asks for a second because of the Internet; a line has no queues of others, USB adapters hold back 16 ms."""
TIMEOUT_GROWTH: Final = 1.5
TIMEOUT_MAX_S: Final = 5.0
KEEP_ALIVE_S: Final = 5.0
SILENCE_S: Final = 20.0
"""A session in which nothing genuine was heard for so long is over."""

CALL_AGAIN_S: Final = (0.4, 0.6, 1.0, 2.0, 3.0)
"""How long a terminal waits for an answer to its call, the first time, the second, and so on; the last for ever."""
CALLS_PER_S: Final = 2.0
CALLS_AT_ONCE: Final = 8
"""A node answers so many calls at once and so many a second on one line: a stranger cannot keep it busy."""
WHO_AGAIN_S: Final = 1.0
UNPROVEN_CALLS: Final = 3
"""So many calls without proof, and the line is said to have an unproven caller."""

SESSION_STREAM_BYTES_MAX: Final = 2**31
SESSION_FRAMES_MAX: Final = 2**31
"""A session that has carried so much ends, and the terminal begins another one with new keys."""

MESSAGE_BYTES_MAX: Final = 36_864
"""Of one message in the stream, after decompression: a part and what is said about it."""
PART_BYTES_MAX: Final = 32_768
"""An entry that is longer comes in parts, and is taken up again at the last one after an interruption."""
ENTRY_BYTES_MAX: Final = 16 * 1_024 * 1_024
"""A longer file is for a better line: it would occupy 115,200 bit/s for minutes even when it is compressed."""
KEY_BYTES_MAX: Final = 200
NAME_BYTES_MAX: Final = 255
MEDIA_TYPE_BYTES_MAX: Final = 100
TEXT_BYTES_MAX: Final = 2_000
UNANSWERED_MAX: Final = 256
"""Entries that a terminal sends ahead of their answers."""
