"""`provenance info`: what an index is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.options import Debug, IndexPath, OutputFormat, index_folder
from cli.state import Format


def command(
    index: IndexPath = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file against its checksums.")] = False,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Describe an index: corpus, parameters, size, filters and what they promise.

    Example:

        provenance info --index corpus.idx --verify
    """
    from provenance import kernel
    from provenance.index import Index
    from provenance.reports import contract

    with Index.open(index_folder(index)) as opened:
        if verify:
            opened.verify()
        details = contract.index_details(opened, verified=verify)
        if format is Format.json:
            print(contract.render(details))
        elif format is Format.jsonl:
            print(contract.render_line(details))
        else:
            _print(details, kernel.name)
    return 0


def _print(details: dict[str, Any], kernel_name: str) -> None:
    from cli.terminal import one_line, plural, styled
    from provenance.reports.wording import size

    index, stored = details["index"], details["stored"]
    corpus = index["corpus"]
    revision = f", revision {corpus['revision']}" if corpus["revision"] else ""
    print(styled(one_line(f"{index['name']}{revision}"), "bold"))
    state = "complete" if corpus["complete"] else "incomplete: something of the corpus could not be read"
    print(f"  built       {corpus['built']}, {state}")
    print(f"  digest      {index['digest']}")
    print(
        f"  stored      {plural(index['documents'], 'document')}, {plural(stored['contents'], 'text')}, "
        f"{size(stored['text_bytes'])} in {plural(stored['segments'], 'segment')}"
    )
    print(
        f"  windows     {index['width']} {index['unit']} every {index['stride']}, normalised by {index['normaliser']}"
    )
    for number, each in enumerate(details["filters"], start=1):
        keys = f"{each['keys']:,} keys, " if each["keys"] is not None else ""
        rate = f"expected false-positive rate {each['expected_rate']:.2g} a window"
        print(f"  filter {number:<4} {each['kind']}: {keys}{rate}")
    for name, floor in details["floors"].items():
        print(f"  {name:<11} finds every copy of {floor} normalised characters or more")
    coincidence = details["coincidence"]
    curve = ", ".join(f"{length}: {100 * rate:.2g} %" for length, rate in coincidence["rates"].items())
    basis = "measured on this corpus" if coincidence["measured_on_this_corpus"] else "measured on Python packages"
    print(f"  chance      unrelated snippets that hold a run of so many characters ({basis}): {curve}")
    print(f"  search      {details['engine']}")
    found = "are not found: built without fingerprints"
    if details["parameters"]["fingerprints"] != "none":
        found = f"are found by fingerprints ({details['parameters']['fingerprints']})"
    print(f"  edits       edited copies {found}")
    print(f"  kernel      {kernel_name}")
    if corpus["optout_version"]:
        print(f"  opt-outs    {corpus['optout_version']} acted on")
    if details["verified"]:
        print("  verified    every file agrees with its checksum")
