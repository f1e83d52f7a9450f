"""`provenance search`: literals, regular expressions and words in the stored texts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Debug, ExcludeRepository, IndexPath, OutputFormat, index_folder
from cli.state import Format
from provenance.errors import ParameterError

if TYPE_CHECKING:
    from provenance.search.results import Hit, SearchResults


def command(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to find, as it stands in the text.")],
    index: IndexPath = None,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="Letters match in either case.")] = False,
    regex: Annotated[bool, typer.Option("--regex", "-e", help="QUERY is a regular expression.")] = False,
    words: Annotated[
        bool, typer.Option("--words", "-w", help="QUERY is words; texts with the best of them first.")
    ] = False,
    language: Annotated[
        list[str] | None, typer.Option("--language", "-l", metavar="NAME", help="Only this language; repeatable.")
    ] = None,
    repository: Annotated[
        list[str] | None, typer.Option("--repo", metavar="NAME", help="Only this repository; repeatable.")
    ] = None,
    owner: Annotated[
        list[str] | None, typer.Option("--owner", metavar="NAME", help="Only repositories of this owner; repeatable.")
    ] = None,
    license: Annotated[
        list[str] | None, typer.Option("--license", metavar="SPDX", help="Only this licence; repeatable.")
    ] = None,
    path: Annotated[
        list[str] | None, typer.Option("--path", metavar="PATTERN", help="Only paths like this; repeatable.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="NAME", help="Only file, commit, issue or notebook; repeatable."),
    ] = None,
    exclude_repo: ExcludeRepository = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, metavar="N", help="Texts shown.")] = 10,
    offset: Annotated[int, typer.Option("--offset", min=0, metavar="N", help="Texts passed over first.")] = 0,
    count: Annotated[
        bool, typer.Option("--count", "-c", help="Count all, whatever it takes; the count is exact.")
    ] = False,
    context: Annotated[
        int, typer.Option("--context", "-C", min=0, metavar="N", help="Lines shown around a match.")
    ] = 2,
    format: OutputFormat = Format.human,
    debug: Debug = False,
) -> int:
    """Find a literal in the stored texts: cut anywhere, inside identifiers too, white space and all.

    Every hit is verified on the stored text. A count that is a lower bound says so.

    Examples:

        provenance search 'def shutdown(self' --index corpus.idx --language Python

        provenance search -e 'md5\\(.*password' --index corpus.idx --format json
    """
    from provenance.index import Index
    from provenance.reports import contract
    from provenance.search.base import Filters

    if regex and words:
        raise ParameterError("--regex and --words exclude each other; give one of them")
    filters = Filters(
        languages=tuple(language or ()),
        repositories=tuple(repository or ()),
        owners=tuple(owner or ()),
        licenses=tuple(license or ()),
        paths=tuple(path or ()),
        kinds=tuple(kind or ()),
        exclude_repositories=tuple(exclude_repo or ()),
    )
    with Index.open(index_folder(index)) as opened:
        found = _search(
            opened, query, regex=regex, words=words, ignore_case=ignore_case, filters=filters, limit=limit,
            offset=offset, count=count, context=context,
        )  # fmt: skip
        if not found.hits:
            from provenance.search.names import refuse_unknown_names

            refuse_unknown_names(opened, filters, found)
        start = contract.search_head(opened, found)
        if format is Format.human:
            _print(found, offset)
        elif format is Format.json:
            print(contract.render({**start, "results": [contract.search_result(hit) for hit in found.hits]}))
        else:
            print(contract.render_line(start))
            for hit in found.hits:
                print(contract.render_line(contract.search_result(hit)))
    return 0


def _search(
    index: Any, query: str, *, regex: bool, words: bool, ignore_case: bool, count: bool, context: int, **page: Any
) -> SearchResults:
    from provenance.search.collecting import Reach

    page["reach"] = Reach(count=None if count else 0, context=context)
    if regex:
        from provenance.search.regex import search_regex

        return search_regex(index, query, fold_case=ignore_case, **page)
    if words:
        from provenance.search.ranked import search_words

        return search_words(index, query, **page)
    from provenance.search.literal import search_literal

    return search_literal(index, query, fold_case=ignore_case, **page)


def _print(found: SearchResults, offset: int) -> None:
    from cli.terminal import one_line, plural, styled

    for hit in found.hits:
        _, source = hit.documents[0]
        place = f"{source.repository}  {source.path}" + (f"  @{source.revision}" if source.revision else "")
        print(styled(one_line(place), "bold") + f"  {one_line(source.license)}" + _others(hit))
        width = len(str(max((snippet.first_line + snippet.text.count("\n") for snippet in hit.snippets), default=0)))
        for number, snippet in enumerate(hit.snippets):
            if number:
                print(" " * width + "  ⋮")
            for line, text in _numbered(snippet.first_line, _highlighted(snippet.text, snippet.marks)):
                print(f"  {styled(str(line).rjust(width), 'dim')}  {text}")
        print()
    bound = "" if found.total.exact else "at least "
    print(f"{bound}{plural(found.total.value, 'document')}", end="")
    print(f", texts {offset + 1:,} to {offset + len(found.hits):,} shown" if found.hits else "")
    if not found.complete:
        print("provenance: the search met its bound on text to read; a longer query finds more", file=sys.stderr)


def _others(hit: Hit) -> str:
    from cli.terminal import plural

    others = len(hit.documents) - 1
    return f"  (and {plural(others, 'other document')})" if others else ""


def _highlighted(text: str, marks: tuple[tuple[int, int], ...]) -> str:
    from cli.terminal import printable, styled

    parts = []
    at = 0
    for start, end in marks:
        parts.append(printable(text[at:start]))
        # Styles end at a line's end, so that line numbers stay plain.
        parts.append("\n".join(styled(printable(line), "bold", "yellow") for line in text[start:end].split("\n")))
        at = end
    parts.append(printable(text[at:]))
    return "".join(parts)


def _numbered(first: int, text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.replace("\r\n", "\n").split("\n"), start=first))
