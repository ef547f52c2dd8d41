"""Pages used as a person uses them: read with lxml, their forms filled in by what stands beside the fields, and sent.

Nothing is sent that a browser would not send: only fields that are on the page, with the values that they have there,
and the button that is pressed.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from lxml import html

from node.departments.entry.filling import ROWS_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Browser(Protocol):
    """What pages are fetched with: a test client, or ``tests.support.http_browser``."""

    @property
    def get(self) -> Callable[..., Any]:
        """Fetches a page; the answer is one of a test client, or looks like it."""

    @property
    def post(self) -> Callable[..., Any]:
        """Sends a form."""


class Page:
    """One page as it came."""

    def __init__(self, client: Browser, answer: Any) -> None:
        self.client = client
        self.status = answer.status_code
        self.headers = answer.headers
        self.address = answer.request.path
        self.text = answer.text
        self.root = html.fromstring(answer.text) if answer.text else html.fromstring("<p/>")

    @property
    def title(self) -> str:
        """What the window is called."""
        return str(self.root.findtext(".//title"))

    @property
    def heading(self) -> str:
        """The page's one main heading."""
        (found,) = self.root.iter("h1")
        return words(found)

    def form(self, button: str) -> Form:
        """Return the form that has a button with these words."""
        for form in self.root.iter("form"):
            if any(button in words(one) for one in form.iter("button")):
                return Form(self, form)
        message = f"no form has a button {button!r}: {[words(one) for one in self.root.iter('button')]}"
        raise AssertionError(message)

    def follow(self, link: str) -> Page:
        """Follow the link with these words."""
        found = next((one for one in self.root.iter("a") if link in words(one)), None)
        assert found is not None, f"no link {link!r}: {[words(one) for one in self.root.iter('a')]}"
        return opened(self.client, found.get("href"))

    def errors(self) -> list[tuple[str, str]]:
        """The list of mistakes above a form: the name of the field that each leads to, and its words."""
        boxes = self.root.xpath("//*[@role='alert']")
        return [(self.target(link.get("href")), words(link)) for box in boxes for link in box.iter("a")]

    def target(self, link: str) -> str:
        """Return the name of the field that a link within the page leads to, "" for a form; it must be there."""
        (found,) = self.root.xpath(f"//*[@id='{link.removeprefix('#')}']")
        return found.get("name") or ("" if found.tag == "form" else str(found.get("id")))

    def wrong(self) -> dict[str, str]:
        """What stands as wrong beside each field, by its name; as a screen reader finds it."""
        found = {}
        for field in self.root.xpath("//*[@aria-invalid='true']"):
            texts = [self.root.get_element_by_id(one) for one in field.get("aria-describedby", "").split()]
            found[field.get("name")] = " ".join(words(one) for one in texts if "wrong" in one.get("class", ""))
        return found

    def rows(self) -> list[list[str]]:
        """The cells of the page's one table, without its headings."""
        (table,) = self.root.iter("table")
        return [[words(cell) for cell in row] for row in table.find("tbody")]


class Form:
    """One form of a page; ``values`` are those that it would send as it stands."""

    def __init__(self, page: Page, element: Any) -> None:
        self.page = page
        self.element = element
        self.values: dict[str, list[str]] = {}
        for field in element.xpath(".//input | .//select | .//textarea"):
            if (name := field.get("name")) is not None:
                self.values.setdefault(name, []).extend(_values(field))
        self.files: dict[str, tuple[BytesIO, str]] = {}

    def fill(self, given: Mapping[str, str | list[str]]) -> Form:
        """Fill fields by their names; each must be there, and a choice must be one that can be chosen."""
        for name, value in given.items():
            fields = self.element.xpath(f".//*[@name={_quoted(name)}]")
            assert fields, f"there is no field {name}: {sorted(self.values)}"
            wanted = value if isinstance(value, list) else [value]
            if fields[0].tag == "select":
                assert {one.get("value") for one in fields[0].iter("option")} >= set(wanted), name
            if fields[0].get("type") in {"radio", "checkbox"}:
                assert {one.get("value") for one in fields} >= set(wanted), name
            self.values[name] = wanted
        return self

    def attach(self, name: str, data: bytes, file_name: str) -> Form:
        """Choose a file."""
        (field,) = self.element.xpath(f".//input[@name={_quoted(name)}]")
        assert field.get("type") == "file"
        self.files[name] = (BytesIO(data), file_name)
        return self

    def press(self, button: str, *, headers: Mapping[str, str] | None = None) -> Page:
        """Press the button with these words, or of this value, and follow where it leads."""
        found = [one for one in self.element.iter("button") if button in words(one) or button == one.get("value")]
        assert found, f"no button {button!r}"
        data: dict[str, Any] = {**self.values, **self.files}
        if found[-1].get("name"):
            data[found[-1].get("name")] = found[-1].get("value")
        assert self.element.get("method") == "post"
        answer = self.page.client.post(
            self.element.get("action"),
            data=data,
            headers={"Sec-Fetch-Site": "same-origin", **(headers or {}), "Accept": "text/html"},
            follow_redirects=True,
        )
        return Page(self.page.client, answer)


def opened(client: Browser, address: str) -> Page:
    """Open an address as a browser does."""
    return Page(client, client.get(address, headers={"Accept": "text/html"}, follow_redirects=True))


def typed_values(content: Any, prefix: str = "") -> dict[str, str]:
    """What a clerk types for this content, by field."""
    values: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            values |= typed_values(value, f"{prefix}{name}/")
        elif isinstance(value, list) and isinstance(value[0], dict):
            values[f"{ROWS_PREFIX}{prefix}{name}"] = str(len(value))
            for row, item in enumerate(value):
                values |= typed_values(item, f"{prefix}{name}.{row}/")
        else:
            values[prefix + name] = "\n".join(value) if isinstance(value, list) else value
    return values


def words(element: Any) -> str:
    """The text of an element on one line."""
    return " ".join("".join(element.itertext()).split())


def faults_of(page: Page) -> list[str]:
    """What keeps people from using a page by its structure: labels, names, headings, references, languages."""
    root = page.root
    ids = [one.get("id") for one in root.xpath("//*[@id]")]
    faults = [f"id {one} stands twice" for one in {*ids} if ids.count(one) > 1]
    if root.get("lang") != "zh-CN":
        faults.append("the page does not say its language")
    if len(list(root.iter("h1"))) != 1 or not page.title:
        faults.append("no title, or not one main heading")
    for field in root.xpath("//input[not(@type='hidden')] | //select | //textarea"):
        labelled = root.xpath(f"//label[@for={_quoted(field.get('id') or '-')}]") or field.xpath("ancestor::label")
        if not labelled or not words(labelled[0]):
            faults.append(f"{field.get('name')} has no label")
    for name in ("aria-describedby", "aria-labelledby"):
        for field in root.xpath(f"//*[@{name}]"):
            faults += [f"{one} is not there" for one in field.get(name).split() if one not in ids]
    faults += [f"{one.get('href')} leads nowhere" for one in root.xpath("//a[starts-with(@href, '#')]")
               if one.get("href")[1:] not in ids]  # fmt: skip
    faults += ["a button without words" for one in root.iter("button") if not words(one)]
    faults += ["a group without a legend" for one in root.iter("fieldset") if one.find("legend") is None]
    faults += ["a table without caption" for one in root.iter("table") if one.find("caption") is None]
    faults += [
        "something is styled or scripted in the page" for _ in root.xpath("//*[@style] | //style | //script[not(@src)]")
    ]
    return faults


def _values(field: Any) -> list[str]:
    if field.tag == "select":
        chosen = [one for one in field.iter("option") if one.get("selected") is not None]
        return [(chosen or list(field.iter("option")))[0].get("value", "")]
    if field.tag == "textarea":
        # The first line end behind the tag is not part of the text (HTML, 4.10.11).
        return [(field.text or "").removeprefix("\n")]
    if field.get("type") in {"checkbox", "radio"}:
        return [field.get("value", "on")] if field.get("checked") is not None else []
    if field.get("type") == "file":
        return []
    return [field.get("value", "")]


def _quoted(text: str) -> str:
    return f"'{text}'" if "'" not in text else f'"{text}"'
