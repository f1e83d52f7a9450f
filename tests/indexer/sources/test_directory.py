"""Folders as sources: what is read, under which name, and what is counted instead."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.rules import Rules
from indexer.sources.base import SourceOptions, Tally
from indexer.sources.directory import DirectorySource
from provenance.errors import CorpusError
from provenance.records import Document, Skipped, git_blob_id


def read(source: DirectorySource) -> tuple[dict[str, Document], dict[str, Skipped]]:
    """Return documents and skipped by path, through a pickled source as a worker has it."""
    documents, skipped = {}, {}
    worker = pickle.loads(pickle.dumps(source))
    for unit in source.plan():
        for item in worker.read(pickle.loads(pickle.dumps(unit))):
            if isinstance(item, Document):
                assert item.source.path not in documents
                documents[item.source.path] = item
            elif isinstance(item, Skipped):
                skipped[item.path] = item
    return documents, skipped


def options(**rules: object) -> SourceOptions:
    return SourceOptions(rules=Rules(**rules))  # type: ignore[arg-type]


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


MIT_TEXT = """Copyright (c) 2020 Grace

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def test_files_come_in_sorted_order_with_repository_path_language_and_content_id(tmp_path: Path) -> None:
    root = write(
        tmp_path / "proj", {"b.py": "b = 1\r\n", "a/z.c": "int z;\n", "a/y.rs": "fn y() {}\n", "A.md": "# a\n"}
    )
    documents, skipped = read(DirectorySource(str(root)))
    assert list(documents) == ["A.md", "b.py", "a/y.rs", "a/z.c"]
    assert not skipped
    document = documents["b.py"]
    assert document.utf8 == b"b = 1\r\n"
    assert document.content_id == git_blob_id(b"b = 1\r\n")
    assert (document.source.repository, document.source.language) == ("proj", "Python")


def test_the_plan_is_the_same_twice_and_its_stamp_follows_the_files(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"a.py": "a\n", "b.py": "b\n"})
    first = list(DirectorySource(str(root)).plan())
    assert first == list(DirectorySource(str(root)).plan())
    os.utime(root / "b.py", ns=(1, 1))
    changed = list(DirectorySource(str(root)).plan())
    assert [unit.stamp for unit in first] != [unit.stamp for unit in changed]


def test_large_trees_are_cut_into_units_by_size(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {f"{i:02}.txt": f"{i}\n" * 250_000 for i in range(20)})
    units = list(DirectorySource(str(root)).plan())
    assert len(units) == 2
    assert sum(unit.weight for unit in units) == sum(path.stat().st_size for path in root.iterdir())


def test_a_hundred_thousand_small_files_do_not_make_one_unit(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {f"{i}.txt": "" for i in range(5000)})
    units = list(DirectorySource(str(root)).plan())
    assert len(units) == 2
    tally = Tally()
    for unit in units:
        for item in DirectorySource(str(root)).read(unit):
            assert isinstance(item, Skipped)
            tally.note(item)
    assert tally.skipped == {"empty": 5000}
    assert len(tally.examples["empty"]) == 5


def test_what_is_not_text_is_counted_with_its_reason(tmp_path: Path) -> None:
    root = write(
        tmp_path / "p",
        {
            "ok.py": "x = 1\n",
            "image.png": b"\x89PNG",
            "nul.txt": b"a\0b",
            "long.txt": "x" * 150_000,
            "mini.js": "a;" * 2000,
            "big.txt": "y\n" * 200_000,
            "empty.py": "",
            "lfs.txt": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            ".hidden.py": "h = 1\n",
            ".config/x.py": "h = 1\n",
            "out/x.gen.py": "g = 1\n",
        },
    )
    documents, skipped = read(DirectorySource(str(root), options(max_file_bytes=300_000, exclude=("*.gen.py",))))
    assert list(documents) == ["ok.py"]
    assert {path: item.reason for path, item in skipped.items()} == {
        "image.png": "binary",
        "nul.txt": "binary",
        "long.txt": "minified",
        "mini.js": "minified",
        "big.txt": "too large",
        "empty.py": "empty",
        "lfs.txt": "git-lfs pointer",
        ".hidden.py": "hidden",
        ".config/": "hidden",
        "out/x.gen.py": "excluded",
    }
    assert "300000" in skipped["big.txt"].detail


def test_an_excluded_folder_counts_once(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"build/a.py": "a\n", "build/b.py": "b\n", "c.py": "c\n"})
    documents, skipped = read(DirectorySource(str(root), options(exclude=("build/",))))
    assert (list(documents), list(skipped)) == (["c.py"], ["build/"])


def test_hidden_files_and_ignore_files_are_heeded_when_asked(tmp_path: Path) -> None:
    root = write(
        tmp_path / "p",
        {
            ".gitignore": "*.log\n!keep.log\n/only-here.txt\n",
            "x.log": "x\n",
            "keep.log": "k\n",
            "only-here.txt": "o\n",
            "sub/only-here.txt": "o2\n",
            "sub/.gitignore": "deep.txt\n",
            "sub/deep.txt": "d\n",
            "deep.txt": "d2\n",
        },
    )
    documents, skipped = read(DirectorySource(str(root), options(include_hidden=True, follow_ignore_files=True)))
    assert set(documents) == {".gitignore", "keep.log", "deep.txt", "sub/.gitignore", "sub/only-here.txt"}
    assert {item.reason for item in skipped.values()} == {"ignored by .gitignore"}


def test_links_are_counted_and_never_followed_so_that_loops_end(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret.py": "s = 1\n"})
    root = write(tmp_path / "p", {"a/x.py": "x = 1\n"})
    (root / "loop").symlink_to(root)
    (root / "a" / "up").symlink_to("..")
    (root / "out").symlink_to(outside)
    (root / "dangling.py").symlink_to("nowhere")
    documents, skipped = read(DirectorySource(str(root)))
    assert list(documents) == ["a/x.py"]
    assert {path: item.reason for path, item in skipped.items()} == dict.fromkeys(
        ("loop", "out", "dangling.py", "a/up"), "symbolic link"
    )


def test_a_pipe_is_counted_and_does_not_block(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"a.py": "a\n"})
    os.mkfifo(root / "pipe.py")
    _, skipped = read(DirectorySource(str(root)))
    assert skipped["pipe.py"].reason == "not a file"


def test_a_file_that_becomes_a_pipe_or_a_link_after_planning_does_not_block(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"a.py": "a\n", "b.py": "b\n", "c.py": "c\n", "d.py": "d\n"})
    source = DirectorySource(str(root), options(max_file_bytes=1_000_000))
    units = list(source.plan())
    for name in ("a.py", "b.py", "c.py"):
        (root / name).unlink()
    os.mkfifo(root / "a.py")
    (root / "b.py").symlink_to("/etc/passwd")
    (root / "d.py").write_text("d\n" * 700_000)
    items = {item.path: item.reason for unit in units for item in source.read(unit) if isinstance(item, Skipped)}
    assert items == {"a.py": "empty", "b.py": "unreadable", "c.py": "vanished", "d.py": "too large"}


def test_a_file_that_grows_or_shrinks_after_planning_is_read_as_it_is(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"a.py": "a\n", "b.py": "b\n" * 100})
    source = DirectorySource(str(root))
    units = list(source.plan())
    (root / "a.py").write_text("aa\n" * 50)
    (root / "b.py").write_text("b")
    found = {item.source.path: item.utf8 for u in units for item in source.read(u) if isinstance(item, Document)}
    assert found == {"a.py": b"aa\n" * 50, "b.py": b"b"}


def test_unreadable_files_and_folders_are_counted_when_not_root(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"ok.py": "ok = 1\n", "no.py": "no = 1\n", "closed/x.py": "x = 1\n"})
    (root / "no.py").chmod(0)
    (root / "closed").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder != Path("/") and "pytest" in str(folder):
            folder.chmod(0o755)
    script = (
        "import os, sys\n"
        "from indexer.sources.directory import DirectorySource\n"
        "from provenance.records import Skipped\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "source = DirectorySource(sys.argv[1])\n"
        "for unit in source.plan():\n"
        "    for item in source.read(unit):\n"
        "        said = (item.path, item.reason) if isinstance(item, Skipped) else (item.source.path, 'read')\n"
        "        print(*said, sep='|')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=True)
    (root / "closed").chmod(0o755)
    assert set(done.stdout.split("\n")[:-1]) == {"ok.py|read", "no.py|no permission", "closed/|no permission"}


def test_names_that_are_not_utf8_are_written_so_that_they_can_be_read(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"ok.py": "ok\n"})
    (Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.py"))).write_text("c = 1\n")
    documents, _ = read(DirectorySource(str(root)))
    assert set(documents) == {"ok.py", "caf\\xe9.py"}


def test_a_folder_that_is_not_there_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as raised:
        list(DirectorySource(str(tmp_path / "none")).plan())
    assert "\n" not in str(raised.value)
    assert "none" in str(raised.value)


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"x.py": "x = 1\n", "LICENSE": MIT_TEXT})
    documents, _ = read(DirectorySource(str(root / "x.py")))
    assert list(documents) == ["x.py"]
    assert documents["x.py"].source.repository == "p"


def test_the_nearest_statement_about_a_file_is_its_licence(tmp_path: Path) -> None:
    root = write(
        tmp_path / "p",
        {
            "LICENSE": MIT_TEXT,
            "plain.py": "x = 1\n",
            "tagged.py": "# SPDX-License-Identifier: GPL-2.0+\n# Copyright 2001 Own\n",
            "vendor/lib/COPYING": "SPDX-License-Identifier: ISC\n",
            "vendor/lib/deep/v.c": "int v;\n",
            "odd.py": "# SPDX-License-Identifier: our terms\n",
        },
    )
    documents, _ = read(DirectorySource(str(root)))

    def said(path: str) -> tuple[str, str, str]:
        source = documents[path].source
        return source.license, source.license_origin, source.license_scope

    assert said("plain.py") == ("MIT", "file", "repository")
    assert said("tagged.py") == ("GPL-2.0-or-later", "header", "file")
    assert said("vendor/lib/deep/v.c") == ("ISC", "file", "directory")
    assert said("odd.py") == ("LicenseRef-our-terms", "header", "file")
    assert documents["plain.py"].source.copyrights == ("Copyright (c) 2020 Grace",)
    assert documents["tagged.py"].source.copyrights == ("Copyright 2001 Own",)
    assert documents["vendor/lib/deep/v.c"].source.vendored is True
    assert documents["plain.py"].source.vendored is None


def test_what_the_user_says_stands_above_the_root_licence_and_below_the_rest(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"LICENSE": MIT_TEXT, "a.py": "a\n", "b.py": "# SPDX-License-Identifier: ISC\n"})
    source = DirectorySource(
        str(root),
        SourceOptions(repository="o/n", revision="v1", license="apache-2.0", url="https://x.org/{path}"),
    )
    documents, _ = read(source)
    a, b = documents["a.py"].source, documents["b.py"].source
    assert (a.repository, a.revision, a.license, a.license_origin) == ("o/n", "v1", "Apache-2.0", "record")
    assert a.url == "https://x.org/a.py"
    assert (b.license, b.license_origin) == ("ISC", "header")


def test_generated_files_are_marked(tmp_path: Path) -> None:
    root = write(
        tmp_path / "p",
        {
            "a.go": "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage a\n",
            "b.go": "package b\n",
            "c_pb2.py": "c\n",
        },
    )
    documents, _ = read(DirectorySource(str(root)))
    assert [documents[name].source.generated for name in ("a.go", "b.go", "c_pb2.py")] == [True, None, True]


def test_each_folder_can_be_a_repository(tmp_path: Path) -> None:
    root = write(
        tmp_path / "all", {"one/a.py": "a\n", "two/src/b.py": "b\n", "two/LICENSE": MIT_TEXT, "loose.py": "l\n"}
    )
    documents, _ = read(DirectorySource(str(root), SourceOptions(each_folder=True)))
    found = {path: document.source.repository for path, document in documents.items()}
    assert found == {"loose.py": "all", "a.py": "one", "LICENSE": "two", "src/b.py": "two"}
    assert documents["src/b.py"].source.license_scope == "repository"


def test_a_clone_inside_of_a_folder_is_a_repository_of_its_own(tmp_path: Path) -> None:
    root = write(tmp_path / "src", {"mine.py": "m\n", "clone/lib/x.py": "x\n"})
    subprocess.run(["git", "init", "-q", str(root / "clone")], check=True)
    remote = "https://user:token@github.com/Own/Name.git"
    subprocess.run(["git", "-C", str(root / "clone"), "remote", "add", "origin", remote], check=True)
    documents, skipped = read(DirectorySource(str(root)))
    assert not skipped
    source = documents["lib/x.py"].source
    assert source.repository == "Own/Name"
    assert source.url == "https://github.com/Own/Name/blob/HEAD/lib/x.py"
    assert "token" not in repr(source)
    assert documents["mine.py"].source.repository == "src"


def dist_info(name: str, version: str, metadata: str, files: list[str]) -> dict[str, str | bytes]:
    folder = f"{name}-{version}.dist-info"
    record = "".join(f"{path},,\n" for path in (*files, f"{folder}/METADATA", f"{folder}/RECORD"))
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}\n\nRead me.\n",
        f"{folder}/RECORD": record,
        f"{folder}/INSTALLER": "pip\n",
        **{path: f"# {path}\n" for path in files if not path.startswith("..")},
    }


def test_installed_packages_have_their_own_name_version_licence_and_home_page(tmp_path: Path) -> None:
    site = tmp_path / "project" / "env" / "lib" / "python3.12" / "site-packages"
    write(tmp_path / "project", {"LICENSE": MIT_TEXT, "app.py": "app\n"})
    write(
        site,
        {
            **dist_info(
                "Some_Tool",
                "1.2",
                "License-Expression: Apache-2.0\nProject-URL: Documentation, https://d.org\nProject-URL: Source, https://s.org/t",
                ["some_tool/__init__.py", "some_tool/_vendor/other/x.py", "single.py", "../../../bin/tool"],
            ),
            **dist_info(
                "old", "0.1", "License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License", ["old.py"]
            ),
            "old-0.1.dist-info/LICENSE": MIT_TEXT,
            **dist_info("odd", "3", "License: Terms of Ours", ["odd/odd.py"]),
            "some_tool/_vendor/other/LICENSE": "SPDX-License-Identifier: ISC\n",
            "stray.py": "stray\n",
        },
    )
    source = DirectorySource(str(tmp_path / "project"))
    documents, skipped = read(source)
    tool = documents["some_tool/__init__.py"].source
    assert (tool.repository, tool.revision, tool.license, tool.license_origin, tool.license_scope) == (
        "pypi:some-tool",
        "1.2",
        "Apache-2.0",
        "record",
        "repository",
    )
    assert tool.url == "https://s.org/t"
    assert documents["single.py"].source.repository == "pypi:some-tool"
    vendored = documents["some_tool/_vendor/other/x.py"].source
    assert (vendored.repository, vendored.license, vendored.license_scope) == ("pypi:some-tool", "ISC", "directory")
    old = documents["old.py"].source
    assert (old.license, old.license_origin) == ("MIT", "file")
    assert documents["odd/odd.py"].source.license == "LicenseRef-Terms-of-Ours"
    stray = documents["env/lib/python3.12/site-packages/stray.py"].source
    assert (stray.repository, stray.license) == ("project", "NOASSERTION")
    assert documents["app.py"].source.license == "MIT"
    assert {item.reason for item in skipped.values()} == {"package metadata"}
    tally = Tally()
    for unit in source.plan():
        for item in source.read(unit):
            if not isinstance(item, Document):
                tally.note(item)
    assert tally.remarks == {"unknown licence": 2}


def test_the_standard_library_is_cpython_with_its_own_paths() -> None:
    import sysconfig

    library = sysconfig.get_path("stdlib")
    source = DirectorySource(library, options(exclude=("/*", "!/textwrap.py", "!/json/", "!/LICENSE.txt")))
    documents, _ = read(source)
    found = documents["Lib/textwrap.py"].source
    version = ".".join(map(str, sys.version_info[:3]))
    assert (found.repository, found.revision, found.license) == ("python/cpython", version, "Python-2.0")
    assert found.url == f"https://github.com/python/cpython/blob/v{version}/Lib/textwrap.py"
    assert "Lib/json/decoder.py" in documents


def test_packages_that_lie_unpacked_are_known_by_their_metadata(tmp_path: Path) -> None:
    cargo = '[package]\nname = "zed"\nversion = "0.4.1"\nlicense = "MIT"\n'
    npm = '{"name": "@s/t", "version": "1.2.3", "license": "ISC"}'
    root = write(
        tmp_path / "app",
        {
            "package.json": '{"name": "mine", "license": "MIT"}',
            "index.js": "x\n",
            "node_modules/@s/t/package.json": npm,
            "node_modules/@s/t/lib/t.js": "t\n",
            "registry/zed-0.4.1/Cargo.toml": cargo,
            "registry/zed-0.4.1/Cargo.toml.orig": cargo,
            "registry/zed-0.4.1/src/lib.rs": "fn z() {}\n",
            "crates/own/Cargo.toml": cargo,
            "crates/own/own.rs": "fn o() {}\n",
            "tool-3/PKG-INFO": "Metadata-Version: 2.1\nName: tool\nVersion: 3\nLicense: Ours\n\n",
            "tool-3/setup.py": "setup()\n",
        },
    )
    documents, _ = read(DirectorySource(str(root), options(exclude=("*.json", "*.toml", "*.orig"))))

    def said(path: str) -> tuple[str, str | None, str]:
        source = documents[path].source
        return source.repository, source.revision, source.license

    assert said("index.js") == ("app", None, "NOASSERTION")
    assert said("lib/t.js") == ("npm:@s/t", "1.2.3", "ISC")
    assert said("src/lib.rs") == ("cargo:zed", "0.4.1", "MIT")
    assert said("crates/own/own.rs") == ("app", None, "NOASSERTION")
    assert said("setup.py") == ("pypi:tool", "3", "LicenseRef-Ours")


def test_an_address_template_takes_repository_revision_and_path(tmp_path: Path) -> None:
    root = write(tmp_path / "p", {"a b.py": "a\n"})
    options = SourceOptions(repository="o/n", revision="v1", url="https://x.org/{repository}/{revision}/{path}")
    documents, _ = read(DirectorySource(str(root), options))
    assert documents["a b.py"].source.url == "https://x.org/o/n/v1/a%20b.py"


def test_a_folder_inside_of_a_work_tree_is_a_part_of_it_and_what_git_ignores_is_not(tmp_path: Path) -> None:
    clone = write(
        tmp_path / "clone",
        {
            "LICENSE": MIT_TEXT,
            "lib/COPYING": "SPDX-License-Identifier: Zlib\n",
            "lib/deep/a.c": "int a;\n",
            "src/b.c": "int b;\n",
            "out/c.c": "int c;\n",
            ".gitignore": "out/\n",
        },
    )
    subprocess.run(["git", "init", "-q", str(clone)], check=True)
    subprocess.run(["git", "-C", str(clone), "remote", "add", "origin", "https://example.org/o/n.git"], check=True)
    subprocess.run(["git", "-C", str(clone), "add", "lib", "src"], check=True)
    deep = read(DirectorySource(str(clone / "lib" / "deep")))[0]["lib/deep/a.c"].source
    assert (deep.repository, deep.license, deep.license_scope) == ("o/n", "Zlib", "directory")
    beside = read(DirectorySource(str(clone / "src")))[0]["src/b.c"].source
    assert (beside.repository, beside.license, beside.license_scope) == ("o/n", "MIT", "repository")
    assert list(read(DirectorySource(str(clone / "src" / "b.c")))[0]) == ["src/b.c"]
    ignored = read(DirectorySource(str(clone / "out")))[0]["c.c"].source
    assert (ignored.repository, ignored.license) == ("out", "NOASSERTION")


def test_a_file_that_explains_licences_does_not_state_one(tmp_path: Path) -> None:
    tags = "".join(f"SPDX-License-Identifier: {name}\n" for name in ("MIT", "ISC", "Zlib", "0BSD", "MIT-0", "NCSA"))
    root = write(
        tmp_path / "p",
        {
            "COPYING": "SPDX-License-Identifier: ISC\n",
            "doc/license-rules.rst": tags,
            "doc/a.rst": "a\n",
            "x/ICON_LICENSE": "?",
            "x/a.js": "a\n",
        },
    )
    documents, _ = read(DirectorySource(str(root)))
    assert documents["doc/a.rst"].source.license == documents["x/a.js"].source.license == "ISC"
