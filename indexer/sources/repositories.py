"""What a git repository is called and where its files can be looked at, from the address of its remote."""

from __future__ import annotations

import os
import re
import subprocess

from indexer.sources.intake import Origin

_SCP = re.compile(r"\A(?:[^@/\s]+@)?([\w.-]+):(?!//)(.+)\Z")
_URL = re.compile(r"\A(?:https?|ssh|git)(?:\+\w+)?://(?:[^@/\s]*@)?([\w.-]+)(?::\d+)?/(.+)\Z")
_SECTION = re.compile(r'\s*\[(\w+)(?:\s+"([^"]*)")?\]')
_ADDRESS = re.compile(r"\s*url\s*=\s*(\S+)")
# Where a file of a revision is shown, by the software that a well-known host runs.
_VIEWS = {
    "github.com": "https://github.com/{name}/blob/{revision}/{{path}}",
    "gitlab.com": "https://gitlab.com/{name}/-/blob/{revision}/{{path}}",
    "codeberg.org": "https://codeberg.org/{name}/src/commit/{revision}/{{path}}",
    "bitbucket.org": "https://bitbucket.org/{name}/src/{revision}/{{path}}",
    "git.kernel.org": "https://git.kernel.org/{name}.git/tree/{{path}}?id={revision}",
}


def named(remote: str, revision: str | None) -> tuple[str, str | None] | None:
    """Return (owner/name, template of file addresses) for a remote's address; None for a path on this machine.

    User names, passwords and tokens inside of the address are left out.
    """
    found = _URL.match(remote) or _SCP.match(remote)
    if found is None:
        return None
    host = found[1].lower()
    name = found[2].strip("/").removesuffix(".git").strip("/")
    if not name or any(part in ("", ".", "..") for part in name.split("/")):
        return None
    view = _VIEWS.get(host)
    if view is None or "{" in name or "}" in name:
        return name, None
    return name, view.format(name=name, revision=revision or "HEAD")


def remote_address(config: str) -> str | None:
    """Return the address of ``origin``, or of the only remote, from the text of a git configuration."""
    remotes: dict[str, str] = {}
    remote: str | None = None
    for line in config.splitlines():
        section = _SECTION.match(line)
        if section is not None:
            remote = section[2] if section[1] == "remote" else None
        elif remote is not None and (address := _ADDRESS.match(line)) is not None:
            remotes.setdefault(remote, address[1])
    if "origin" in remotes:
        return remotes["origin"]
    return next(iter(remotes.values())) if len(remotes) == 1 else None


def enclosing_work_tree(folder: str) -> str | None:
    """Return the root of the git work tree that keeps files of ``folder`` under version control, or None.

    A folder that git only ignores there (an environment, a build) is none of the repository's; git says so.
    """
    above = os.path.realpath(folder)
    while above != (above := os.path.dirname(above)):
        if os.path.exists(f"{above}/.git"):
            break
    else:
        return None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", folder, "ls-files", "-z", "--", "."],
            stdin=subprocess.DEVNULL, capture_output=True, env=kept, check=False,
        )  # fmt: skip
    except OSError:
        return None
    return above if done.returncode == 0 and done.stdout else None


def work_tree_origin(folder: str) -> Origin | None:
    """Return the origin of a git work tree's files, or None if ``folder`` is none.

    The files are read as they lie there, so no revision is claimed; the name is the remote's, else the folder's.
    """
    git = f"{folder}/.git"
    try:
        if os.path.isfile(git):
            with open(git, encoding="utf-8", errors="replace") as file:
                git = os.path.join(folder, file.read(4096).removeprefix("gitdir:").strip())
        if not os.path.exists(f"{git}/HEAD"):
            return None
        config = ""
        for candidate in (f"{git}/config", f"{git}/../../config"):
            if os.path.isfile(candidate):
                with open(candidate, encoding="utf-8", errors="replace") as file:
                    config = file.read(1 << 16)
                break
    except (OSError, ValueError):
        return None
    address = remote_address(config)
    found = named(address, None) if address is not None else None
    if found is not None:
        return Origin(found[0], url=found[1])
    name = os.path.basename(os.path.realpath(folder)).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return Origin(name or "root")
