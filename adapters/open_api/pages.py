"""One page: what was asked, what of the answer is handed over item by item, and what is asked next."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.pulling.http_values import joined, origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.open_api.settings import Plan
    from adapters.pulling.http_client import HttpAnswer

STEP_LENGTH_MAX: Final = 1500
"""Characters of what is asked next: two of them fit into a cursor. Our own choice."""
_WEB_PAGE: Final = frozenset({"text/html", "application/xhtml+xml"})
_LINK: Final = re.compile(r'<([^<>]{0,4000})>((?:\s*;\s*[\w*!-]+\s*=\s*(?:"[^"]{0,1000}"|[^\s",;]{0,1000}))*)')
_RELATION: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]*))', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is asked: nothing special (""), or a cursor, an address, a number, a watermark, as ``paging`` says."""

    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a page; ``text`` is its JSON, or a whole answer as it came; ``digest`` tells it from others."""

    value: Any
    text: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What an answer holds; ``following`` is the next page, None after the last; ``again`` is where to go on later.

    A page that has others behind it is whole: it is not asked again. The last one may still get longer.
    """

    items: Sequence[Item]
    following: Step | None
    again: Step


class _NotJsonError(ValueError):
    """The answer is no JSON, or JSON that would lose something."""


def request_of(plan: Plan, step: Step) -> tuple[str, dict[str, str]]:
    """Return the address and the parameters by which a step is asked."""
    if plan["paging"] == "next" and step.value:
        return step.value, {}
    named = {
        "cursor": plan["cursor_parameter"],
        "page": plan["page_parameter"],
        "watermark": plan["watermark_parameter"],
    }.get(plan["paging"])
    parameters = dict(plan["parameters"])
    if plan["size_parameter"]:
        parameters[plan["size_parameter"]] = str(int(plan["page_size"]))
    if named and step.value:
        parameters[named] = step.value
    return plan["url"], parameters


def first_step(plan: Plan) -> Step:
    """Return what is asked the first time."""
    if plan["paging"] == "page":
        return Step(value=str(int(plan["page_first"])))
    return Step(value=plan["begin_at"] if plan["paging"] == "watermark" else "")


def page_of(plan: Plan, step: Step, answer: HttpAnswer) -> Page:
    """Return what an answer holds.

    Raises SourceUnavailableError for an answer that is damaged, SourceNeedsPersonError for one in another form.
    """
    if answer.media_type in _WEB_PAGE:
        raise SourceUnavailableError("the server answers with a web page where data are expected")
    if not answer.content.strip():
        return Page(items=(), following=None, again=step)
    document = _document(answer.content) if _reads_inside(plan) else None
    items = _items(plan, document, answer.content)
    following = _following(plan, step, answer, document, items)
    if plan["paging"] == "watermark":
        return Page(items=items, following=following, again=following or step)
    again = following if following is not None and plan["paging"] != "page" else step
    return Page(items=items, following=following, again=again)


def at(document: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path of names in a JSON document, None when nothing does."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _reads_inside(plan: Plan) -> bool:
    return plan.items is not None or bool(plan.cursor_path) or bool(plan.next_path and plan["paging"] == "next")


def _document(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode("utf-8-sig"),
            # As they are written: a float would round them.
            parse_float=str,
            parse_int=str,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise SourceNeedsPersonError("the answer is no JSON in UTF-8: correct url, or leave items empty") from None
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, _NotJsonError) else "damaged, or broken off"
        raise SourceUnavailableError(f"the answer is no JSON that can be read: {said}") from None


def _items(plan: Plan, document: Any, content: bytes) -> list[Item]:
    if plan.items is None:
        return [_item(None, content)]
    found = at(document, plan.items)
    if not isinstance(found, list):
        where = ".".join(plan.items) or "the answer"
        raise SourceNeedsPersonError(f"{where} holds no list: correct items")
    return [_item(value, _written(value)) for value in found]


def _following(plan: Plan, step: Step, answer: HttpAnswer, document: Any, items: Sequence[Item]) -> Step | None:
    paging = plan["paging"]
    if paging == "cursor":
        return _step(at(document, plan.cursor_path), "the cursor")
    if paging == "next":
        link = at(document, plan.next_path) if plan.next_path else _next_link(answer.headers.get("link", ""))
        following = _step(link, "the link to the next page")
        return following and Step(value=_checked(joined(answer.address, following.value), plan))
    if paging == "page":
        return Step(value=str(int(step.value) + 1)) if items else None
    if paging == "watermark":
        newest = _newest(plan, step, items)
        return Step(value=newest) if newest != step.value else None
    return None


def _step(value: Any, what: str) -> Step | None:
    if value is None or value is False or not value:
        return None
    if not isinstance(value, str) or len(value) > STEP_LENGTH_MAX or not value.isprintable():
        raise SourceNeedsPersonError(f"{what} is not a text of at most {STEP_LENGTH_MAX} characters: correct its path")
    return Step(value=value)


def _checked(address: str, plan: Plan) -> str:
    if origin_of(address) != origin_of(plan["url"]):
        raise SourceNeedsPersonError("the link to the next page leads to another server: it is not followed")
    return address


def _next_link(header: str) -> str | None:
    """Return the target of the first link with the relation ``next`` (RFC 8288, 3)."""
    for target, parameters in _LINK.findall(header[:16_000]):
        relation = _RELATION.search(parameters)
        if relation and "next" in (relation[1] or relation[2]).lower().split():
            return str(target)
    return None


def _newest(plan: Plan, step: Step, items: Sequence[Item]) -> str:
    newest = step.value
    for item in items:
        value = at(item.value, plan.watermark_path)
        if not isinstance(value, str) or not 0 < len(value) <= STEP_LENGTH_MAX or not value.isprintable():
            raise SourceNeedsPersonError(
                f"an item has no watermark at {'.'.join(plan.watermark_path)}: correct watermark_path"
            )
        newest = value if not newest or _order(value) > _order(newest) else newest
    return newest


def _order(value: str) -> tuple[int, Decimal, str]:
    """Return what watermarks are compared by: numbers as numbers, anything else as text."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return 1, Decimal(0), value
    return (0, number, "") if number.is_finite() else (1, Decimal(0), value)


def _written(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half a character, which only an escape can carry: the dialect refuses it, and nothing beside it.
        return json.dumps(value).encode()


def _item(value: Any, text: bytes) -> Item:
    return Item(value=value, text=text, digest=hashlib.sha256(text).digest()[:16])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotJsonError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise _NotJsonError(f"{name} is not JSON")
