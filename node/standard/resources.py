"""Where the shipped data are: schemas, level files, dictionaries — in a checkout, an installed wheel and an image.

A checkout (and the image, which runs from one) has ``schemas/xsd`` and ``config/levels`` beside the package ``node``;
a wheel installs them as data files under ``<prefix>/share/yizhan``. Dictionaries lie inside the package.
"""

from __future__ import annotations

import sys
from pathlib import Path

from node.errors import ConfigurationError

SHARED = Path("share", "yizhan")

_PACKAGE = Path(__file__).resolve().parent


def schema_folder(version: str = "1.0") -> Path:
    """Return the folder of the schema files of ``version`` of the standard (``records.xsd`` is the driver).

    Raises ConfigurationError when this installation does not have them.
    """
    return _shipped(Path("schemas", "xsd", version))


def level_folder() -> Path:
    """Return the folder of the shipped level files (``province.toml`` …).

    Raises ConfigurationError when this installation does not have them.
    """
    return _shipped(Path("config", "levels"))


def reference_folder() -> Path:
    """Return the folder of the shipped reference data (divisions, calendars).

    Raises ConfigurationError when this installation does not have them.
    """
    return _shipped(Path("config", "reference"))


def dictionary_folder() -> Path:
    """Return the folder of the compression dictionaries (``1.zdict`` …)."""
    return _PACKAGE / "dictionaries"


def _shipped(relative: Path) -> Path:
    places = (_PACKAGE.parents[1], *(Path(prefix) / SHARED for prefix in _prefixes()))
    for place in places:
        folder = place / relative
        if folder.is_dir():
            return folder
    raise ConfigurationError(
        f"{relative.as_posix()} is not installed",
        why=f"looked in {', '.join(str(place) for place in places)}",
        action="install the package again, or run from a checkout",
    )


def _prefixes() -> tuple[str, ...]:
    """Return where a wheel may have been installed: the environment, the package's own, a bare folder."""
    beside_package = [str(_PACKAGE.parents[index]) for index in (4, 1) if index < len(_PACKAGE.parents)]
    return tuple(dict.fromkeys((sys.prefix, *beside_package)))
