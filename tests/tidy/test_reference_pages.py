"""What can be looked up is complete: each thing that people meet stands in a page under docs/reference/."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import TYPE_CHECKING

import click
import pytest

import node.errors
from node.errors import YizhanError
from node.standard.families import RECORD_TYPES
from tests.tidy.tree import ROOT, text_of, tracked_files

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def error_classes() -> list[type[YizhanError]]:
    return [value for value in vars(node.errors).values() if inspect.isclass(value) and issubclass(value, YizhanError)]


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_stands_in_its_page_with_code_exit_meaning_and_remedy(error: type[YizhanError]) -> None:
    if "code" not in vars(error):
        # The three classes that say who must act have no code; the others inherit none by mistake.
        assert f"`{error.__name__}`" in page("errors.md")
        return
    meaning = inspect.getdoc(error) or ""
    first_line = meaning.splitlines()[0].rstrip(".")
    row = f"| `{error.code}` | `{error.__name__}` | {error.exit_code} | {first_line}. | {error.remedy} |"
    assert row in page("errors.md")


def test_the_page_has_the_codes_that_the_program_uses_and_no_other() -> None:
    code = re.compile(r"\bYZ-[A-Z0-9]+(?:-[0-9]{3})?\b")
    shipped = [path for path in tracked_files() if path.parts[0] in {"node", "adapters"}]
    used = {found for path in shipped for found in code.findall(text_of(path) or "")}
    assert used == set(code.findall(page("errors.md")))


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error in error_classes() if "code" in vars(error)]
    assert len(codes) == len(set(codes))


def test_every_record_type_stands_in_its_page_with_audience_and_authority() -> None:
    text = page("record-types.md")
    rows = [
        f"| `{kind.name}` | {kind.label} | {kind.number} | {', '.join(sorted(kind.audiences))} | `{kind.authority}` |"
        for kind in RECORD_TYPES.values()
    ]
    assert [row for row in rows if row not in text] == []
    assert len(re.findall(r"^\| `[A-Z]", text, re.MULTILINE)) == len(RECORD_TYPES)


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if path:
        yield " ".join(path), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, f"{name} is listed and cannot be loaded"
            yield from commands(inner, (*path, name))


def test_every_command_and_option_stands_in_the_reference() -> None:
    program = importlib.import_module("node.cli").yizhan
    text = page("command-line.md")
    shared = {option for parameter in program.params for option in parameter.opts}
    missing = []
    for name, command in commands(program):
        if f"yizhan {name}" not in text:
            missing.append(f"yizhan {name}")
        own = {
            option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts
        }
        missing += [f"yizhan {name} {option}" for option in sorted(own - shared) if option not in text]
    missing += [option for option in sorted(shared) if option not in text]
    assert missing == []


def test_every_configuration_key_stands_in_the_reference() -> None:
    keys = importlib.import_module("node.config.keys")
    text = page("configuration.md")
    names = [key.name for key in (*keys.NODE_KEYS, *keys.LEVEL_KEYS)]
    assert len(names) > 20
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_level_key_is_explained_beside_the_level_files() -> None:
    keys = importlib.import_module("node.config.keys")
    text = (ROOT / "config" / "levels" / "README.md").read_text(encoding="utf-8")
    assert [key.name for key in keys.LEVEL_KEYS if f"`{key.name}`" not in text] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [path for path in tracked_files() if path.suffix == ".md"]
    broken = [
        f"{path}: {target}"
        for path in pages
        for target in re.findall(
            r"\]\(([^)#\s]+)(?:#[^)]*)?\)", without_code((ROOT / path).read_text(encoding="utf-8"))
        )
        if "://" not in target and not (ROOT / path.parent / target).exists()
    ]
    assert broken == []


def test_every_page_that_the_code_speaks_of_exists() -> None:
    missing = [
        f"{path}: {page_name}"
        for path in tracked_files()
        if path.suffix in {".py", ".toml", ".cfg", ".xsd", ".mako", ""}
        for page_name in re.findall(r"\bdocs/[\w./-]+\.md", text_of(path) or "")
        if not (ROOT / page_name).is_file()
    ]
    assert missing == []


def test_every_page_can_be_found_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)]+)\)", page("../index.md"))}
    pages = [ROOT / path for path in tracked_files() if path.parts[0] == "docs" and path.suffix == ".md"]
    lost = [str(path.relative_to(ROOT)) for path in pages if path not in linked and path.parent.name != "adr"]
    assert [name for name in lost if name != "docs/index.md"] == []


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", [p for p in tracked_files() if p.parts[:2] == ("docs", "adr")], ids=str)
def test_a_decision_fits_one_page_and_says_context_decision_consequences(path: object) -> None:
    text = (ROOT / str(path)).read_text(encoding="utf-8")
    assert re.match(r"# \d{4} .+\n\nStatus: ", text)
    assert len(text.splitlines()) <= 80
    assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences"))


def test_every_metric_stands_in_its_page() -> None:
    # Names are written out in the module, or made from the keys of its table of counts.
    metrics = importlib.import_module("node.web.metrics")
    source = (ROOT / "node" / "web" / "metrics.py").read_text(encoding="utf-8")
    names = {*re.findall(r'"(yizhan_\w+)"', source), *(f"yizhan_{name}" for name in vars(metrics)["_COUNTS"])}
    assert len(names) > 10
    assert [name for name in sorted(names) if f"`{name}`" not in page("metrics.md")] == []


def test_every_state_of_a_link_stands_in_its_page() -> None:
    status, states = importlib.import_module("node.status"), importlib.import_module("node.exchange.link_states")
    names = {*status.CONNECTED, states.NEW, states.DOWN, states.STOPPED}
    words = importlib.import_module("node.web.words").WORDS
    rows = [f"| `{name}` | {words[name].shape} {words[name].zh} |" for name in sorted(names)]
    assert [row for row in rows if row not in page("status.md")] == []


def test_every_indicator_stands_in_its_page() -> None:
    indicators = importlib.import_module("node.statistics.indicators")
    names = [one.name for one in (*indicators.INDICATORS, *indicators.DERIVED_INDICATORS)]
    assert names
    assert [name for name in names if f"`{name}`" not in page("indicators.md")] == []
