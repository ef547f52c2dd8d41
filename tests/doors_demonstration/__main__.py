"""``python -m tests.doors_demonstration``: what ``scripts/demo --doors`` becomes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from node.demo.demonstration import SCHEMA, SEED
from node.errors import DemonstrationError
from tests.doors_demonstration.demonstration import CASES, Settings, demonstrate


def main() -> int:
    """Run the demonstration and return its exit code; 130 when it was interrupted on the way."""
    given = _parser().parse_args()
    settings = Settings(cases=given.cases, seed=given.seed, home=given.home, check=given.check)
    try:
        return demonstrate(settings)
    except DemonstrationError as error:
        sys.stderr.write(f"demo: {error}\n")
        if given.check:
            document = {"schema": SCHEMA, "ok": False, "problems": [str(error)], "nodes": {}}
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("demo: interrupted 已中断\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/demo --doors",
        description="三级节点，每个入口各接一个部门的真实系统 / three levels, a department's system at each door",
    )
    parser.add_argument("--check", action="store_true", help="run to the end, verify everything, print one document")
    parser.add_argument("--cases", type=int, default=CASES, help="cases behind all doors together")
    parser.add_argument("--seed", type=int, default=SEED, help="the same seed makes the same cases")
    parser.add_argument("--home", type=Path, help="an empty folder to work in; default: one that vanishes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
