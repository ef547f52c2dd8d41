"""Preparing: from a candidate to a journal entry, outside the journal's lock.

Here the origin makes a record's bytes, once: with a salt of its own and the channel of the door it came through. The
bytes are parsed, validated and proved canonical, the facts are read, and the content is hashed, so that the transaction
has only to look up and to write.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from node.departments.candidates import DEPARTMENT_TYPES, Candidate
from node.departments.case_headers import nameless
from node.errors import Problem, RecordRefusedError
from node.journal.entries import Entry, pack
from node.standard.codec import (
    DEFERRED_RULES,
    RULE_NOT_XML,
    RULE_SCHEMA,
    check_canonical,
    leaf_hash,
    parse_record,
)
from node.standard.compose import SALT_BYTES, compose, content_of
from node.standard.facts import facts_of
from node.standard.families import RECORD_HEADER, RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.randomness import Randomness
    from node.standard.compose import Content

RULE_NOT_FOR_DEPARTMENTS: Final = "not-for-departments"
RULE_SHIFTED: Final = "shifted"
SHIFTED_PROBLEMS: Final = 3
"""So many wrong values in one row look like a column too few or too many. Our own choice."""

_SALT_LENGTH: Final = len(b"<Salt></Salt>") + 24
_SALT = re.compile(rb"\s*<Salt(?:\s*/>|\s*>[^<]*</Salt\s*>)")
_CHANNEL = re.compile(rb"<Channel(?:\s*/>|\s*>[^<]*</Channel\s*>)")
_DATA_VERSION = re.compile(rb"<DataVersion>[0-9]+</DataVersion>")
_BEHIND_CHANNEL = re.compile(rb"<DivisionCode\s*>")
_BETWEEN_TAGS = re.compile(rb">\s+<")
_START_TAG = re.compile(rb"""<[^\s/>]+(?:"[^"]*"|'[^']*'|[^<>"'])*?(/?)>""")


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A candidate and what became of it: an entry with its source key and content hash, or problems."""

    candidate: Candidate
    entry: Entry | None = None
    source_key: str = ""
    content_hash: bytes = b""
    problems: tuple[Problem, ...] = ()


def prepare(candidates: Iterable[Candidate], *, channel: str, randomness: Randomness) -> list[Prepared]:
    """Return the candidates in order, each with an entry ready to be appended or with the problems it has.

    ``channel`` is the door's code (``Channel`` of the standard). Never raises for what stands in a candidate.
    """
    batch = list(candidates)
    return prepare_salted(batch, new_salts(batch, randomness), channel=channel)


def new_salts(candidates: Sequence[Candidate], randomness: Randomness) -> list[bytes]:
    """Return a fresh salt for each candidate."""
    return [randomness.token(SALT_BYTES) for _ in candidates]


def prepare_salted(candidates: Sequence[Candidate], salts: Sequence[bytes], *, channel: str) -> list[Prepared]:
    """Return what ``prepare`` does, with salts that were drawn before: one for each candidate."""
    prepared = [_prepared(candidate, channel, salt) for candidate, salt in zip(candidates, salts, strict=True)]
    pack(one.entry for one in prepared if one.entry is not None)
    return prepared


def content_hash_of(body: bytes) -> bytes:
    """Return SHA-256 over a record's bytes without what this node put in by itself: Salt, and Channel where it has one.

    The same content offered again gives the same hash, whatever door it comes through (02, R15).
    """
    begin = body.index(b"<Salt>")
    rest = body[begin + _SALT_LENGTH :]
    channel = _CHANNEL.search(rest, 0, 4096)
    if channel is not None:
        rest = rest[: channel.start()] + rest[channel.end() :]
    return hashlib.sha256(body[:begin] + rest).digest()


def unversioned_hash_of(body: bytes) -> bytes:
    """Return ``content_hash_of`` without DataVersion as well: what tells whether a cumulative delivery changed."""
    return content_hash_of(_DATA_VERSION.sub(b"", body, count=1))


def reversioned(one: Prepared, version: int) -> None:
    """Make a prepared record the given version of itself (DataVersion, from 1); its content hash is left alone."""
    entry = one.entry
    if entry is None or (entry.facts is not None and entry.facts.data_version == version):
        return
    body = _DATA_VERSION.sub(b"<DataVersion>%d</DataVersion>" % version, entry.body, count=1)
    element = parse_record(body)
    facts = facts_of(element)
    one.entry = Entry(record_type=facts.record_type, body=body, leaf=leaf_hash(body), facts=facts, element=element)
    one.source_key = facts.source_key
    pack([one.entry])


def came_canonical(one: Prepared, channel: str) -> bool:
    """Tell whether a valid record came as the very bytes that a node stores, but for Salt and Channel."""
    markup, entry = one.candidate.markup, one.entry
    if markup is None or entry is None:
        return False
    begin = entry.body.index(b"<Salt>")
    salt = b64decode(entry.body[begin + len(b"<Salt>") : begin + _SALT_LENGTH - len(b"</Salt>")])
    return _stamped(markup, channel if _has_channel(entry.record_type) else "", salt) == entry.body


def content_of_candidate(candidate: Candidate) -> dict[str, Any]:
    """Return what a candidate says, without Salt: for records that the node writes itself from a file (publishing).

    Raises RecordRefusedError with the candidate's problems, or when its markup is not a valid record.
    """
    if candidate.problems:
        raise RecordRefusedError("the record is refused", candidate.problems)
    if candidate.markup is None:
        return dict(candidate.content or {})
    try:
        return content_of(parse_record(_stamped(candidate.markup, "", bytes(SALT_BYTES))))
    except RecordRefusedError as error:
        raise RecordRefusedError(error.what, candidate.located(error.problems)) from error


def _prepared(candidate: Candidate, channel: str, salt: bytes) -> Prepared:
    problems = candidate.problems or _foreign(candidate)
    if problems:
        return Prepared(candidate=candidate, problems=problems)
    try:
        body, element = _made(candidate, channel, salt)
    except RecordRefusedError as error:
        return Prepared(candidate=candidate, problems=_located(candidate, error.problems))
    facts = facts_of(element)
    # The element ends here: hundreds of trees that live on until the commit cost more to free than all facts to read,
    # and the few projections that want the whole content of a record parse it again.
    entry = Entry(record_type=facts.record_type, body=body, leaf=leaf_hash(body), facts=facts)
    return Prepared(candidate=candidate, entry=entry, source_key=facts.source_key, content_hash=content_hash_of(body))


def _foreign(candidate: Candidate) -> tuple[Problem, ...]:
    """Refuse known types that only nodes make; an unknown type is for the standard to name."""
    name = candidate.record_type
    if name in DEPARTMENT_TYPES or name not in RECORD_TYPES:
        return ()
    text = f"{RECORD_TYPES[name].label} {name} is made by nodes only, never handed in by a department"
    problem = Problem(rule=RULE_NOT_FOR_DEPARTMENTS, element=name, row=candidate.row, line=candidate.line, text=text)
    return (problem,)


def _made(candidate: Candidate, channel: str, salt: bytes) -> tuple[bytes, Any]:
    """Return the record's bytes and element; raises RecordRefusedError."""
    if candidate.markup is not None:
        return _from_markup(candidate, channel, salt)
    content = dict(candidate.content or {})
    if _has_channel(candidate.record_type):
        content["Channel"] = channel
    return _composed(candidate.record_type, content, salt)


def _from_markup(candidate: Candidate, channel: str, salt: bytes) -> tuple[bytes, Any]:
    stamped = _stamped(candidate.markup or b"", channel if _has_channel(candidate.record_type) else "", salt)
    element = parse_record(stamped)
    if _is_final(stamped, element):
        return stamped, element
    # The sender's formatting goes; order, names and values are valid as they stand.
    return _composed(candidate.record_type, content_of(element), salt)


def _is_final(stamped: bytes, element: Any) -> bool:
    """Tell whether a sender's bytes are what this node would have composed: canonical, and not indented."""
    if _BETWEEN_TAGS.search(stamped):
        return False
    try:
        check_canonical(stamped, element)
    except RecordRefusedError:
        return False
    return True


def _composed(record_type: str, content: Content, salt: bytes) -> tuple[bytes, Any]:
    """Return a record's bytes and its valid element; what ``compose`` writes is canonical by construction."""
    body = compose(record_type, content, salt=salt)
    return body, parse_record(body)


def _stamped(markup: bytes, channel: str, salt: bytes) -> bytes:
    """Put this node's salt and the door's channel into an element's bytes, replacing what the sender gave.

    Only the element's own start is touched, and the result is parsed and validated like everything else.
    """
    start = _START_TAG.match(markup)
    if start is None or start[1]:
        text = "the start tag is damaged" if start is None else "the element is empty"
        raise RecordRefusedError("the record is refused", (Problem(rule=RULE_NOT_XML, line=1, text=text),))
    at = start.end()
    given = _SALT.match(markup, at)
    rest = markup[given.end() if given else at :]
    # Every line of the sender's stays a line, so that problems name the right one.
    breaks = b"\n" * given[0].count(b"\n") if given else b""
    if channel:
        rest = _with_channel(rest, channel.encode())
    return markup[:at] + breaks + b"<Salt>" + b64encode(salt) + b"</Salt>" + rest


def _with_channel(rest: bytes, channel: bytes) -> bytes:
    ours = b"<Channel>%b</Channel>" % channel
    given = _CHANNEL.search(rest)
    if given is not None:
        return rest[: given.start()] + ours + rest[given.end() :]
    behind = _BEHIND_CHANNEL.search(rest)
    return rest if behind is None else rest[: behind.start()] + ours + rest[behind.start() :]


def _has_channel(record_type: str) -> bool:
    """Tell whether a type has a header that says by which door the record came: of a case, a penalty or a request."""
    return record_type in RECORD_TYPES and RECORD_TYPES[record_type].header != RECORD_HEADER


def _located(candidate: Candidate, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Place problems in the delivery, and say what a row of nonsense looks like."""
    located = tuple(_explained(problem) for problem in candidate.located(problems))
    schema = [problem for problem in located if problem.rule == RULE_SCHEMA]
    missing = nameless(candidate) if schema else None
    if missing is not None:
        located = (*candidate.located((missing,)), *located)
    if candidate.row is None or len(schema) < SHIFTED_PROBLEMS:
        return located
    text = f"{len(schema)} values of this row do not fit their columns: the columns may be shifted"
    return (Problem(rule=RULE_SHIFTED, row=candidate.row, line=candidate.line, text=text), *located)


def _explained(problem: Problem) -> Problem:
    if problem.rule not in DEFERRED_RULES:
        return problem
    return replace(problem, text=f"{problem.text}; a department sends what this node's version of the standard has")
