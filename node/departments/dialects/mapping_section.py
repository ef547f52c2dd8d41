"""One table of a mapping file under way to a value: every key known, every value typed, the place in each error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MappingError(Exception):
    """A mapping file says what cannot be; the text names the place and what is expected there."""


class Section:
    """A table of a TOML document; ``place`` is its dotted name, "" for the file itself."""

    def __init__(self, place: str, values: Any, known: Sequence[str]) -> None:
        self.place = place
        if not isinstance(values, dict):
            raise MappingError(f"{place}: a table of keys is expected")
        self._values: Mapping[str, Any] = values
        unknown = [key for key in values if key not in known]
        if unknown:
            raise MappingError(f"{self._at(unknown[0])}: there is no such key; known are {', '.join(known)}")

    def has(self, key: str) -> bool:
        """Tell whether a key is there."""
        return key in self._values

    def text(self, key: str, *, default: str | None = None) -> str:
        """Return a text; without ``default`` it must be there and not be empty."""
        value = self._values.get(key, default)
        if value is None:
            raise MappingError(f"{self._at(key)}: it is missing")
        if not isinstance(value, str) or (default is None and not value):
            raise MappingError(f"{self._at(key)}: a text is expected")
        return value

    def word(self, key: str, known: Sequence[str]) -> str:
        """Return one of ``known``; the first where the key is not there."""
        value = self.text(key, default=known[0])
        if value not in known:
            raise MappingError(f"{self._at(key)}: {value[:40]} is not one of {', '.join(known)}")
        return value

    def words(self, key: str, known: Sequence[str], *, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return some of ``known``."""
        values = self.texts(key) or default
        for value in values:
            if value not in known:
                raise MappingError(f"{self._at(key)}: {value[:40]} is not one of {', '.join(known)}")
        return values

    def flag(self, key: str) -> bool | None:
        """Return true or false, None where the key is not there."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, bool):
            raise MappingError(f"{self._at(key)}: true or false is expected")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, or a single one as such; empty where the key is not there."""
        return self._texts(self._at(key), self._values.get(key, []))

    def text_pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return a list of pairs of texts; a text alone stands for both. Empty where the key is not there."""
        values = self._values.get(key, [])
        if not isinstance(values, list):
            raise MappingError(f"{self._at(key)}: a list of pairs of texts is expected")
        pairs = [self._texts(f"{self._at(key)}[{place}]", value) for place, value in enumerate(values, start=1)]
        for place, pair in enumerate(pairs, start=1):
            if len(pair) not in {1, 2}:
                raise MappingError(f"{self._at(key)}[{place}]: a text or a pair of texts is expected")
        return tuple((pair[0], pair[-1]) for pair in pairs)

    def text_table(self, key: str, inner: str | None = None) -> dict[str, str]:
        """Return texts by text; empty where the key is not there."""
        place, values = self._inner(key, inner)
        for name, value in values.items():
            if not isinstance(value, str):
                raise MappingError(f"{place}.{name}: a text is expected")
        return dict(values)

    def texts_table(self, key: str) -> dict[str, tuple[str, ...]]:
        """Return lists of texts by text; empty where the key is not there."""
        place, values = self._inner(key, None)
        return {name: self._texts(f"{place}.{name}", value) for name, value in values.items()}

    def names(self, key: str) -> list[str]:
        """Return the names of the tables within a table, in the order of the file."""
        return list(self._inner(key, None)[1])

    def section(self, key: str, known: Sequence[str], inner: str | None = None) -> Section:
        """Return a table, or one within it."""
        values = self._values.get(key)
        place = self._at(key)
        if inner is not None and isinstance(values, dict):
            return Section(f"{place}.{inner}", values.get(inner), known)
        return Section(place, values, known)

    def bare(self, key: str, inner: str) -> str | None:
        """Return what stands under a name within a table when it is a text, else None."""
        value = self._inner(key, None)[1].get(inner)
        return value if isinstance(value, str) and value else None

    def count(self, key: str) -> int:
        """Return how many tables a list has."""
        values = self._values.get(key, [])
        if not isinstance(values, list):
            raise MappingError(f"{self._at(key)}: a list of tables is expected: [[…]]")
        return len(values)

    def item(self, key: str, place: int, known: Sequence[str]) -> Section:
        """Return a table of a list; ``place`` counts from 0."""
        return Section(f"{self._at(key)}[{place + 1}]", self._values[key][place], known)

    def _inner(self, key: str, inner: str | None) -> tuple[str, dict[str, Any]]:
        place, values = self._at(key), self._values.get(key, {})
        if isinstance(values, dict) and inner is not None:
            place, values = f"{place}.{inner}", values.get(inner, {})
        if not isinstance(values, dict):
            raise MappingError(f"{place}: a table of keys is expected")
        return place, values

    def _texts(self, place: str, value: Any) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
            raise MappingError(f"{place}: a text or a list of texts is expected")
        return tuple(values)

    def _at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key
