"""Settings of a kind, checked by what the kind declares of them: pure, and the same for files and the command line."""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import REQUIRED, Form, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ENTRIES_MAX: Final = 1000
"""Entries of a list or a table. Our own choice."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""A secret may have lines: a private key is a file of them; so may what says so, such as a SELECT."""
_SHOWN_MAX: Final = 60


class SettingError(Exception):
    """A setting is missing, unknown or not allowed: ``name`` of it, ``why``, and ``action``, what to do."""

    def __init__(self, name: str, what: str, *, why: str, action: str) -> None:
        super().__init__(what)
        self.name = name
        self.what = what
        self.why = why
        self.action = action


def checked_settings(declared: Sequence[Setting], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every setting that is no secret with its value, given or default; raises SettingError for the first fault.

    A secret among those given is a fault: it would stand in a file that people copy and show.
    """
    known = {one.name: one for one in declared}
    for name in given:
        if name not in known:
            raise _unknown(name, [one.name for one in declared if not one.secret])
        if known[name].secret:
            raise SettingError(
                name,
                "is a secret and must not stand here",
                why="this file is copied, compared and shown; secrets have a file of their own",
                action="Move it to adapters.secrets.toml (mode 0600), under the same table; then change the secret",
            )
    return {one.name: _value(one, given) for one in declared if not one.secret}


def checked_secrets(declared: Sequence[Setting], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets that were given; raises SettingError for one that is unknown, missing or no text."""
    secrets = [one for one in declared if one.secret]
    known = {one.name: one for one in secrets}
    for name in given:
        if name not in known:
            raise _unknown(name, list(known))
    found = {}
    for one in secrets:
        if one.name in given:
            found[one.name] = str(_checked(one, given[one.name], shown=False))
        elif is_required(one):
            raise SettingError(
                one.name,
                "is a secret that is missing",
                why=f"the kind does not work without it: {one.en}",
                action="Give it in adapters.secrets.toml or in the environment (docs/reference/adapters.md)",
            )
    return found


def read_settings(declared: Sequence[Setting], given: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the settings that a command line gives as pairs of name and text; raises SettingError.

    What is missing is left for ``checked_settings`` to find.
    """
    known = {one.name: one for one in declared if not one.secret}
    texts: dict[str, list[str]] = {}
    for name, text in given:
        if name not in known:
            if any(one.name == name for one in declared):
                raise SettingError(
                    name,
                    "is a secret",
                    why="arguments can be seen by every account of the machine",
                    action=f"Give it with --secret {name} or --secret-file {name}=FILE",
                )
            raise _unknown(name, list(known))
        texts.setdefault(name, []).append(text)
    return {name: read_value(known[name], found) for name, found in texts.items()}


def is_required(setting: Setting) -> bool:
    """Tell whether a setting has to be given."""
    return setting.default is REQUIRED


def read_value(setting: Setting, texts: Sequence[str]) -> Any:
    """Return the value that the texts of a command line stand for; several only for LIST and TABLE (``name=value``).

    Raises SettingError.
    """
    if setting.form is Form.LIST:
        return _checked(setting, list(texts))
    if setting.form is Form.TABLE:
        return _checked(setting, dict(_pair(setting, text) for text in texts))
    if len(texts) > 1:
        raise _not_allowed(setting, ", ".join(texts), why="it is given more than once")
    (text,) = texts
    value: Any = text
    if setting.form is Form.NUMBER:
        value = _number(text)
    elif setting.form is Form.FLAG:
        value = {"true": True, "false": False}.get(text.lower(), text)
    return _checked(setting, value)


def allowed_words(setting: Setting) -> str:
    """Return in words what the value of a setting may be."""
    if setting.form is Form.NUMBER:
        kind = "a whole number" if _is_whole(setting) else "a number"
        return f"{kind} from {setting.lowest:,g} to {setting.highest:,.15g}"
    lines = " but line ends" if setting.secret or setting.several_lines else ""
    words: Mapping[Form, str] = {
        Form.TEXT: f"text of at most {setting.length_max} characters, without control characters{lines}",
        Form.FLAG: "true or false",
        Form.CHOICE: f"one of {', '.join(setting.choices)}",
        Form.LIST: "a list of texts",
        Form.TABLE: "a table of texts by name",
    }
    return words[setting.form]


def described_setting(setting: Setting) -> dict[str, Any]:
    """Return a setting for programs: what it may be, its default (None for none, and of secrets), what it means."""
    return {
        "name": setting.name,
        "form": setting.form.value,
        "required": is_required(setting),
        "default": None if is_required(setting) or setting.secret else setting.default,
        "allowed": allowed_words(setting),
        "secret": setting.secret,
        "zh": setting.zh,
        "en": setting.en,
    }


def _value(setting: Setting, given: Mapping[str, Any]) -> Any:
    if setting.name in given:
        return _checked(setting, given[setting.name])
    if is_required(setting):
        raise SettingError(
            setting.name,
            "is missing",
            why=f"it has no default, and the kind cannot do without it: {setting.en}",
            action=f"Give it: {allowed_words(setting)}",
        )
    return setting.default


def _checked(setting: Setting, value: Any, *, shown: bool = True) -> Any:
    if not _CHECKS[setting.form](setting, value):
        raise _not_allowed(setting, value if shown else None)
    return value


def _is_text(setting: Setting, value: Any) -> bool:
    control = _CONTROL_IN_LINES if setting.secret or setting.several_lines else _CONTROL
    return isinstance(value, str) and len(value) <= setting.length_max and not control.search(value)


def _is_number(setting: Setting, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return setting.lowest <= value <= setting.highest and (isinstance(value, int) or not _is_whole(setting))


def _is_list(setting: Setting, value: Any) -> bool:
    return isinstance(value, list) and len(value) <= ENTRIES_MAX and all(_is_text(setting, one) for one in value)


def _is_table(setting: Setting, value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > ENTRIES_MAX:
        return False
    return all(_is_text(setting, text) for pair in value.items() for text in pair)


_CHECKS: Final[Mapping[Form, Callable[[Setting, Any], bool]]] = {
    Form.TEXT: _is_text,
    Form.NUMBER: _is_number,
    Form.FLAG: lambda _, value: isinstance(value, bool),
    Form.CHOICE: lambda setting, value: value in setting.choices,
    Form.LIST: _is_list,
    Form.TABLE: _is_table,
}


def _is_whole(setting: Setting) -> bool:
    """Tell whether only whole numbers are meant: when the default is one, or ``lowest`` where there is no default."""
    sample = setting.lowest if is_required(setting) or setting.default is None else setting.default
    return isinstance(sample, int)


def _number(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _pair(setting: Setting, text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise _not_allowed(setting, text, why="an entry of a table is name=value")
    return name, value


def _not_allowed(setting: Setting, value: Any, *, why: str = "") -> SettingError:
    found = why or ("it has another form" if value is None else f"it is {str(value)[:_SHOWN_MAX]!r}")
    return SettingError(setting.name, "is not allowed", why=found, action=f"Allowed: {allowed_words(setting)}")


def _unknown(name: str, known: Sequence[str]) -> SettingError:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return SettingError(
        name,
        "is unknown",
        why="a setting that nobody reads would be ignored in silence",
        action=f"Nearest known setting: {nearest[0]}" if nearest else "The kind has none of that sort",
    )
