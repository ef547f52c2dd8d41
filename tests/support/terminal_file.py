"""The terminal's program as one file, made of its modules; ``python -m tests.support.terminal_file`` writes it.

The modules are put one behind the other, inmost first. Imports of each other fall away, imports of the standard library
go to the top, module docstrings become headings. So no two modules may define the same name; that is checked here.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "adapters/serial_bridge/terminal/yizhan_terminal.py"
LINE = """limits cobs frames opening noise timing sending receiving messages dictionary pressing session link calling
entries port driving key_text"""
TERMINAL = "settings spool ports outbox form correspondence running command"
MODULES = (
    *(f"adapters/record_line/{name}.py" for name in LINE.split()),
    *(f"adapters/serial_bridge/terminal/{name}.py" for name in TERMINAL.split()),
)
HEAD = '''#!/usr/bin/env python3
"""驿站终端：在部门的电脑上运行，经串口向节点报送申办、办结等记录，并接收下行文书。

Yizhan terminal: runs on a department's machine, hands records to a node over a serial line and takes documents back.

    python yizhan_terminal.py key set 终端名          # 输入密钥 / type the key
    python yizhan_terminal.py run --port COM3         # 或 /dev/ttyUSB0
    python yizhan_terminal.py send 记录.xml

Needs Python 3.8 or newer and pyserial, on Windows or Linux. The protocol is docs/reference/record-line.md of Yizhan.
This file is made of Yizhan's modules (tests/support/terminal_file.py) and is not edited.
"""
'''
TAIL = """

if __name__ == "__main__":
    sys.exit(main())
"""


def terminal_file() -> str:
    """Return the whole program; raises ValueError when two modules define one name."""
    imports: set[str] = set()
    parts: list[str] = []
    defined: dict[str, str] = {}
    for name in MODULES:
        text = (ROOT / name).read_text(encoding="utf-8")
        tree = ast.parse(text)
        for one in _names(tree):
            if one in defined:
                message = f"{one} is defined in {defined[one]} and in {name}"
                raise ValueError(message)
            defined[one] = name
        parts.append(_part(name, text, tree, imports))
    plain = sorted(one for one in imports if one.startswith("import "))
    named = sorted(imports - set(plain) - {"from __future__ import annotations"})
    head = "\n".join(["from __future__ import annotations", "", *plain, *_merged(named)])
    return f"{HEAD}\n{head}\n{''.join(parts)}{TAIL}"


def _part(name: str, text: str, tree: ast.Module, imports: set[str]) -> str:
    """Return a module without its docstring and its imports, which are added to ``imports`` unless they are ours."""
    lines = text.splitlines()
    dropped: set[int] = set()
    for place, statement in enumerate(tree.body):
        is_docstring = place == 0 and isinstance(statement, ast.Expr)
        is_types = isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
        if isinstance(statement, ast.Import | ast.ImportFrom) or is_types or is_docstring:
            dropped |= set(range(statement.lineno, (statement.end_lineno or 0) + 1))
            imports |= {ast.unparse(one) for one in ast.walk(statement) if _is_foreign(one)}
    kept = "\n".join(line for number, line in enumerate(lines, start=1) if number not in dropped).strip("\n")
    title = (ast.get_docstring(tree) or "").splitlines()[0]
    return f"\n\n# --- {Path(name).stem}: {title}\n\n\n{kept}\n"


def _is_foreign(statement: ast.AST) -> bool:
    if isinstance(statement, ast.ImportFrom):
        return not (statement.module or "").startswith("adapters.")
    return isinstance(statement, ast.Import)


def _merged(statements: list[str]) -> Iterator[str]:
    names: dict[str, set[str]] = {}
    for statement in statements:
        module, _, listed = statement.removeprefix("from ").partition(" import ")
        names.setdefault(module, set()).update(one.strip() for one in listed.split(","))
    for module, found in sorted(names.items()):
        yield f"from {module} import {', '.join(sorted(found - {'TYPE_CHECKING'}))}"


def _names(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Assign):
            yield from (one.id for target in statement.targets for one in ast.walk(target) if isinstance(one, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id


if __name__ == "__main__":
    TARGET.write_text(terminal_file(), encoding="utf-8")
