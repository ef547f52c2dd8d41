"""``yizhan evidence`` and ``yizhan verify``: one record with everything that proves it, and its check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import READABLE_FILE, RecordArgument, TreeArgument
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import node_of
from node.cli.output import say, say_error, write_json, write_table
from node.errors import EvidenceRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.evidence.verifying import Verified
    from node.standard.seals import StreamName

ALL_STAND, SOME_STAND, NONE_STANDS = 0, 9, 7


@click.command(cls=LazyCommand, short_help="Write everything that proves one record into a file.")
@click.argument("record", type=RecordArgument())
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write."
)
@pass_frame
def evidence(frame: Frame, record: tuple[StreamName, int], output: Path) -> None:
    """Write RECORD (ORIGIN/AUDIENCE/POSITION) with all that proves where it stood, since when, and who held it.

    Beside FILE stands verify_evidence.py, which checks it with Python and openssl alone. The file holds the record as
    it is, personal data included.
    """
    from node.config.files import write_safely
    from node.evidence.document import write_evidence
    from node.evidence.making import make_evidence
    from node.evidence.standalone import VERIFIER
    from node.evidence.verifying import verify_evidence

    stream, position = record
    with node_of(frame) as node, node.store.reading() as connection:
        made = make_evidence(connection, node.journal, node.book, node.identity, stream=stream, position=position)
    shown = verify_evidence(made)
    verifier = output.with_name(VERIFIER.name)
    write_safely(output, write_evidence(made))
    write_safely(verifier, VERIFIER.read_bytes())
    if frame.json:
        document = {"schema": "yizhan.evidence-made/1", "file": str(output), "verifier": str(verifier)}
        write_json({**document, **_document(shown)})
        return
    _show(frame, output, shown)
    say(frame, f"已写入 {output}，旁边是核验程序 {verifier}", f"written: {output}, and {verifier}, which checks it")


@click.command(cls=LazyCommand, short_help="Check evidence files; needs no node.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=READABLE_FILE)
@click.option("--tree", type=TreeArgument(), help="Fingerprint of the tree that the evidence has to belong to.")
@pass_frame
def verify(frame: Frame, files: Sequence[Path], tree: str | None) -> int:
    """Check FILE...: what yizhan evidence has written, here or anywhere.

    Needs no node. Compare the tree's fingerprint with the one that the root publishes, or give it with --tree; with
    --home it is that of the home's own tree. Leaves with 0 when all stand, 9 when some do, 7 when none does.
    """
    from node.evidence.document import FILE_BYTES_MAX, read_evidence
    from node.evidence.verifying import verify_evidence

    expected = tree or _own_tree(frame)
    documents: list[dict[str, Any]] = []
    standing = 0
    for path in files:
        try:
            with path.open("rb") as file:
                shown = verify_evidence(read_evidence(file.read(FILE_BYTES_MAX + 1)), tree=expected)
        except EvidenceRefusedError as error:
            documents.append({"file": str(path), "stands": False, "reason": error.reason, "why": str(error)})
            say(frame, f"{path}：不成立（{error.reason}）", f"{path}: does not stand ({error.reason})")
            say_error(error)
            continue
        standing += 1
        documents.append({"file": str(path), "stands": True, **_document(shown)})
        if not frame.json:
            _show(frame, path, shown)
    if frame.json:
        write_json({"schema": "yizhan.verified/1", "files": documents})
    if standing == len(files):
        return ALL_STAND
    return SOME_STAND if standing else NONE_STANDS


def _own_tree(frame: Frame) -> str | None:
    if frame.home is None:
        return None
    with node_of(frame) as node:
        return node.identity.tree


def _show(frame: Frame, path: Path, shown: Verified) -> None:
    rows = [
        ("sealed", shown.stream.origin, shown.sealed_at),
        *(("held", one.holder, one.received_at) for one in shown.held),
    ]
    title = f"{path}: {shown.stream}/{shown.position} {shown.record_type}\ntree {shown.tree} ({shown.root_code})"
    write_table(frame, title, ("standing", "code", "time"), rows)


def _document(shown: Verified) -> dict[str, Any]:
    return {
        "tree": shown.tree,
        "root": shown.root_code,
        "stream": str(shown.stream),
        "position": shown.position,
        "record_type": shown.record_type or None,
        "sealed_at": shown.sealed_at,
        "held": [{"holder": one.holder, "received_at": one.received_at} for one in shown.held],
    }
