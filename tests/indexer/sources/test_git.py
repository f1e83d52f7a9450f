"""Git repositories at a revision, made with git itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from indexer.rules import Rules
from indexer.sources.base import SourceOptions
from indexer.sources.git import GitSource
from provenance.errors import CorpusError
from provenance.records import Document, Skipped, git_blob_id

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_COMMITTER_DATE": "2020-02-03T04:05:06+00:00",
}


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(where), "-c", "protocol.file.allow=always", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A work tree named ``tool`` with two commits; the second one is checked out."""
    root = tmp_path / "tool"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "LICENSE").write_text("SPDX-License-Identifier: Apache-2.0\nCopyright 2020 Hopper\n")
    (root / "src").mkdir()
    (root / "src" / "a.py").write_bytes(b"first = 1\r\n")
    (root / "src" / "t.c").write_text("// SPDX-License-Identifier: MIT\nint t;\n")
    (root / "src" / "link.py").symlink_to("a.py")
    (root / "vendor").mkdir()
    (root / "vendor" / "COPYING").write_text("SPDX-License-Identifier: Zlib\n")
    (root / "vendor" / "v.h").write_text("int v;\n")
    (root / "logo.png").write_bytes(b"\x89PNG\0")
    (root / "blob.dat2").write_bytes(b"a\0b")
    (root / ".ci.yml").write_text("x: 1\n")
    (root / "naïve name.py").write_text("n = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    git(root, "tag", "v1")
    (root / "src" / "a.py").write_text("second = 2\n")
    git(root, "commit", "-qam", "two")
    return root


def read(source: GitSource) -> tuple[dict[str, Document], dict[str, str]]:
    documents, skipped = {}, {}
    for unit in source.plan():
        for item in source.read(unit):
            if isinstance(item, Document):
                documents[item.source.path] = item
            elif isinstance(item, Skipped):
                skipped[item.path] = item.reason
    return documents, skipped


def test_a_revision_is_read_and_the_work_tree_neither_read_nor_touched(repository: Path) -> None:
    (repository / "src" / "a.py").write_text("not committed\n")
    status = git(repository, "status", "--porcelain")
    before = {path: path.lstat().st_mtime_ns for path in repository.rglob("*")}
    documents, skipped = read(GitSource(str(repository), "v1"))
    assert documents["src/a.py"].utf8 == b"first = 1\r\n"
    assert set(documents) == {"LICENSE", "src/a.py", "src/t.c", "vendor/COPYING", "vendor/v.h", "naïve name.py"}
    assert skipped == {
        "src/link.py": "symbolic link",
        "logo.png": "binary",
        "blob.dat2": "binary",
        ".ci.yml": "hidden",
    }
    assert {path: path.lstat().st_mtime_ns for path in repository.rglob("*")} == before
    assert git(repository, "status", "--porcelain") == status


def test_documents_carry_commit_date_licence_and_the_blob_id(repository: Path) -> None:
    documents, _ = read(GitSource(str(repository)))
    commit = git(repository, "rev-parse", "HEAD")
    source = documents["src/a.py"].source
    assert (source.repository, source.revision, source.date) == ("tool", commit, "2020-02-03T04:05:06+00:00")
    assert (source.license, source.license_origin, source.license_scope) == ("Apache-2.0", "file", "repository")
    assert source.copyrights == ("Copyright 2020 Hopper",)
    assert documents["src/t.c"].source.license == "MIT"
    assert (documents["vendor/v.h"].source.license, documents["vendor/v.h"].source.license_scope) == (
        "Zlib",
        "directory",
    )
    for path, document in documents.items():
        assert document.content_id == git_blob_id((repository / path).read_bytes())
        assert document.content_id.hex() == git(repository, "rev-parse", f"HEAD:{path}")


def test_a_bare_clone_gives_the_same_documents(repository: Path, tmp_path: Path) -> None:
    bare = tmp_path / "tool.git"
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(bare))
    assert read(GitSource(str(bare), "v1")) == read(GitSource(str(repository), "v1"))


def test_the_remote_names_the_repository_and_its_password_is_left_out(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://me:secret@github.com/Grace/tool.git")
    documents, _ = read(GitSource(str(repository), "v1"))
    source = documents["naïve name.py"].source
    commit = git(repository, "rev-parse", "v1")
    assert source.repository == "Grace/tool"
    assert source.url == f"https://github.com/Grace/tool/blob/{commit}/na%C3%AFve%20name.py"
    assert "secret" not in repr(documents)


def test_options_name_the_repository_and_exclude(repository: Path) -> None:
    options = SourceOptions(
        repository="o/n", license="ISC", url="https://x.org/{revision}/{path}", rules=Rules(exclude=("vendor/",))
    )
    documents, skipped = read(GitSource(str(repository), "HEAD", options))
    source = documents["src/a.py"].source
    assert (source.repository, source.license, source.license_origin) == ("o/n", "ISC", "record")
    assert source.url == f"https://x.org/{source.revision}/src/a.py"
    assert skipped["vendor/v.h"] == "excluded"


def test_the_stamp_follows_the_revision_alone(repository: Path) -> None:
    def stamps(revision: str) -> list[str]:
        return [unit.stamp for unit in GitSource(str(repository), revision).plan()]

    first, second = stamps("v1"), stamps("main")
    assert first != second
    (repository / "src" / "a.py").write_text("not committed\n")
    assert stamps("main") == second


def test_submodules_are_counted(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(repository), str(other))
    git(repository, "submodule", "--quiet", "add", str(other), "sub")
    git(repository, "commit", "-qm", "three")
    _, skipped = read(GitSource(str(repository)))
    assert skipped["sub"] == "submodule"


def test_a_sha256_repository_has_git_blob_sha1_content_ids(tmp_path: Path) -> None:
    root = tmp_path / "new"
    root.mkdir()
    git(root, "init", "-q", "--object-format=sha256")
    (root / "x.py").write_text("x = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    documents, _ = read(GitSource(str(root)))
    assert documents["x.py"].content_id == hashlib.sha1(b"blob 6\0x = 1\n").digest()


def failure(source: GitSource) -> str:
    with pytest.raises(CorpusError) as raised:
        list(source.plan())
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_what_cannot_be_read_is_one_line(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "'nope'" in failure(GitSource(str(repository), "nope"))
    assert "not a revision" in failure(GitSource(str(repository), "--all"))
    assert "No such file" in failure(GitSource(str(tmp_path / "none")))
    (tmp_path / "plain").mkdir()
    assert "git" in failure(GitSource(str(tmp_path / "plain")))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in failure(GitSource(str(repository)))


def test_a_commit_that_is_missing_or_none_is_said_to_be(repository: Path) -> None:
    assert "is no commit or is missing" in failure(GitSource(str(repository), "HEAD^{tree}"))
    head = git(repository, "rev-parse", "HEAD")
    (repository / ".git" / "objects" / head[:2] / head[2:]).unlink()
    assert f"'HEAD' is object {head[:12]}" in failure(GitSource(str(repository)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a repository away")
def test_a_repository_of_somebody_else_comes_with_what_git_proposes(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 65534, 65534)
    said = failure(GitSource(str(repository)))
    assert "dubious ownership" in said and "safe.directory" in said and "\n" not in said


def test_an_empty_repository_has_no_head(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert "'HEAD'" in failure(GitSource(str(tmp_path)))


def test_a_shallow_clone_is_read_and_a_revision_beyond_it_says_so(repository: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", str(shallow))
    documents, _ = read(GitSource(str(shallow)))
    assert documents["src/a.py"].utf8 == b"second = 2\n"
    assert "--unshallow" in failure(GitSource(str(shallow), git(repository, "rev-parse", "v1")))


def test_a_partial_clone_that_lacks_blobs_is_refused_without_fetching(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{repository}", str(partial))
    shutil.move(str(repository), str(tmp_path / "moved"))
    assert "partial clone that lacks" in failure(GitSource(str(partial)))


def test_a_blob_that_disappears_is_counted_and_the_rest_is_read(repository: Path) -> None:
    source = GitSource(str(repository))
    units = list(source.plan())
    blob = git(repository, "rev-parse", "HEAD:src/t.c")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    items = [item for unit in units for item in source.read(unit)]
    gone = [item for item in items if isinstance(item, Skipped) and item.reason == "missing object"]
    assert [item.path for item in gone] == ["src/t.c"]
    assert "vendor/v.h" in {item.source.path for item in items if isinstance(item, Document)}


def test_the_environment_of_a_hook_does_not_lead_astray(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere" / "index"))
    documents, _ = read(GitSource(str(repository), "v1"))
    assert "src/a.py" in documents
