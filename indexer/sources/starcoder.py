"""Texts as StarCoder was shown them: with tokens that say where a file is from, or that mark what is no file."""

from __future__ import annotations

import re

_PREFIX = re.compile(
    r"(?:<reponame>(?P<repository>[^<\n]*))?(?:<filename>(?P<path>[^<\n]*))?(?:<gh_stars>(?P<stars>[^<\n]*))?\n"
)
_KINDS = (
    ("<commit_before>", "commit"),
    ("<commit_msg>", "commit"),
    ("<issue_start>", "issue"),
    ("<jupyter_start>", "notebook"),
    ("<jupyter_text>", "notebook"),
    ("<jupyter_code>", "notebook"),
)


def starcoder_text(text: str) -> tuple[str, str, dict[str, str]]:
    """Return (text without its prefix, kind, what the prefix says) of a StarCoderData row.

    ``<reponame>R<filename>P<gh_stars>S`` and a newline may stand before a file, each part or none of them. Commits,
    issues and notebooks keep their separating tokens: they are part of what the model was shown.
    """
    said: dict[str, str] = {}
    if text.startswith(("<reponame>", "<filename>", "<gh_stars>")):
        found = _PREFIX.match(text)
        if found is not None:
            said = {name: value for name, value in found.groupdict().items() if value}
            text = text[found.end() :]
    for token, kind in _KINDS:
        if text.startswith(token):
            return text, kind, said
    return text, "file", said
