"""`provenance show`: a stored document."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.options import Debug, IndexPath, OutputFormat, index_folder
from cli.state import Format
from provenance.errors import ParameterError


def command(
    document: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help="Document id, as answers give it (32 hex digits).")
    ],
    index: IndexPath = None,
    lines: Annotated[
        str | None, typer.Option("--lines", metavar="A-B", help="Only these lines, 1-based, inclusive.")
    ] = None,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Print the stored text of a document, as it was decoded; where it comes from goes to stderr.

    Example:

        provenance show 5f0c1a… --lines 10-40 --index corpus.idx
    """
    from cli.document_ids import document_id
    from cli.terminal import one_line, printable
    from provenance.index import Index
    from provenance.reports import contract

    identity = document_id(document)
    first, last = _lines(lines)
    with Index.open(index_folder(index)) as opened:
        found = opened.find(identity)
        if not found:
            raise ParameterError(f"document {document} is not in this index; answers of `trace` and `search` give ids")
        ref, source = found[0]
        text = opened.text(ref)
        if lines is not None:
            text = b"".join(text.splitlines(keepends=True)[first - 1 : last])
        if format is Format.human:
            print(
                one_line(f"provenance: {source.repository} {source.path} {source.revision or ''} {source.license}"),
                file=sys.stderr,
            )
            if sys.stdout.isatty():
                print(printable(text.decode("utf-8")), end="")
            else:
                sys.stdout.buffer.write(text)
            return 0
        shown = {
            **contract.head(opened),
            **contract.source_fields(identity, source, opened.content_id(ref)),
            "first_line": first,
            "text": text.decode("utf-8"),
        }
        print(contract.render(shown) if format is Format.json else contract.render_line(shown))
    return 0


def _lines(value: str | None) -> tuple[int, int | None]:
    if value is None:
        return 1, None
    first, dash, last = value.partition("-")
    try:
        begin = int(first)
        end = int(last) if dash and last else begin if not dash else None
    except ValueError:
        begin, end = 0, None
    if begin < 1 or end is not None and end < begin:
        raise ParameterError(f"--lines {value!r} is no range of lines; for example 10-40, 7 or 100-")
    return begin, end
