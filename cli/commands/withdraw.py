"""`provenance withdraw`: opt-out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Debug, IndexPath, OutputFormat, index_folder
from cli.state import Format

if TYPE_CHECKING:
    from indexer.withdrawal import Receipt


def command(
    index: IndexPath = None,
    repository: Annotated[
        list[str] | None, typer.Option("--repo", metavar="NAME", help="This repository; repeatable.")
    ] = None,
    owner: Annotated[
        list[str] | None, typer.Option("--owner", metavar="NAME", help="Every repository of this owner; repeatable.")
    ] = None,
    document: Annotated[
        list[str] | None, typer.Option("--document", metavar="ID", help="This document; repeatable.")
    ] = None,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Withdraw documents from an index: from now on no answer holds them, nor a hit that is theirs alone.

    What is named stays out of later additions too. `provenance compact` removes the texts from the disk.

    Example:

        provenance withdraw --owner somebody --index corpus.idx
    """
    from cli.document_ids import document_id
    from indexer.withdrawal import withdraw
    from provenance.index import Index
    from provenance.reports import contract

    folder = index_folder(index)
    receipt = withdraw(
        folder,
        repositories=repository or (),
        owners=owner or (),
        documents=[document_id(each) for each in document or ()],
    )
    if format is Format.human:
        _print(receipt)
        return 0
    with Index.open(folder) as opened:
        answer = {**contract.head(opened), "receipt": asdict(receipt)}
    print(contract.render(answer) if format is Format.json else contract.render_line(answer))
    return 0


def _print(receipt: Receipt) -> None:
    from cli.terminal import one_line, plural

    names = ", ".join((*receipt.repositories, *receipt.owners, *receipt.named))
    print(f"withdrawn: {one_line(names)}")
    print(f"  hidden      {plural(receipt.documents, 'document')}, {plural(receipt.contents, 'text')}")
    print(f"  opt-outs    {receipt.optout_version} acted on, {receipt.when}")
    print(f"  digest      {receipt.digest}")
    if receipt.attached:
        print(
            f"  note        {plural(receipt.attached, 'attached filter')} made elsewhere may still hold windows of it"
        )
    print("  next        `provenance compact` removes the texts from the disk")
