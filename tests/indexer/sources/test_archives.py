"""Archives and packages, well-formed, damaged and hostile."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.rules import Rules
from indexer.sources import open_source
from indexer.sources.archives import ArchivesSource
from indexer.sources.base import Item, Remark, SourceOptions
from indexer.sources.files import DataFile
from indexer.sources.members import members_of
from provenance.errors import CorpusError
from provenance.records import Document, Skipped


def items(path: Path, options: SourceOptions | None = None) -> list[Item]:
    source = ArchivesSource(str(path), options)
    return [item for unit in source.plan() for item in source.read(unit)]


def read(path: Path, options: SourceOptions | None = None) -> tuple[dict[str, Document], dict[str, str]]:
    found = items(path, options)
    return (
        {item.source.path: item for item in found if isinstance(item, Document)},
        {item.path: item.reason for item in found if isinstance(item, Skipped)},
    )


def tar(files: dict[str, str | bytes], **links: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def zipped(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def save(path: Path, raw: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path


TREE: dict[str, str | bytes] = {
    "tool-1.0/src/main.c": "int main(void) { return 0; }\n",
    "tool-1.0/README.md": "# tool\n",
    "tool-1.0/COPYING": "SPDX-License-Identifier: Zlib\nCopyright 2020 Hopper\n",
    "tool-1.0/vendor/x/LICENSE": "SPDX-License-Identifier: ISC\n",
    "tool-1.0/vendor/x/x.c": "int x;\n",
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tgz": lambda raw: gzip.compress(raw[:1000]) + gzip.compress(raw[1000:]),
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar.zst": zstandard.compress,
}


@pytest.mark.parametrize("ending", [*PACKERS, "zip"])
def test_every_form_of_archive_gives_the_same_documents(tmp_path: Path, ending: str) -> None:
    raw = zipped(TREE) if ending == "zip" else PACKERS[ending](tar(TREE))
    documents, skipped = read(save(tmp_path / f"tool-1.0.{ending}", raw))
    assert not skipped
    assert set(documents) == {"src/main.c", "README.md", "COPYING", "vendor/x/LICENSE", "vendor/x/x.c"}
    source = documents["src/main.c"].source
    assert (source.repository, source.license, source.license_origin) == ("tool-1.0", "Zlib", "file")
    assert source.copyrights == ("Copyright 2020 Hopper",)
    assert (documents["vendor/x/x.c"].source.license, documents["vendor/x/x.c"].source.license_scope) == (
        "ISC",
        "directory",
    )
    assert documents["src/main.c"].utf8 == b"int main(void) { return 0; }\n"


def test_a_wheel_is_its_distribution(tmp_path: Path) -> None:
    metadata = (
        "Metadata-Version: 2.1\nName: Some.Tool\nVersion: 2.0\nLicense: BSD 3-Clause\n"
        "Home-page: https://tool.example.org\nClassifier: License :: OSI Approved :: BSD License\n\nText\n"
    )
    raw = zipped(
        {
            "some_tool/core.py": "core = 1\n",
            "some_tool/native.so": b"\x7fELF\0",
            "some_tool-2.0.dist-info/METADATA": metadata,
            "some_tool-2.0.dist-info/RECORD": "some_tool/core.py,,\n",
            "some_tool-2.0.dist-info/licenses/LICENSE": "Copyright (c) 2011 Kay\n",
        }
    )
    documents, skipped = read(save(tmp_path / "some_tool-2.0-py3-none-any.whl", raw))
    source = documents["some_tool/core.py"].source
    assert (source.repository, source.revision, source.license) == ("pypi:some-tool", "2.0", "BSD-3-Clause")
    assert (source.license_origin, source.license_scope) == ("record", "repository")
    assert (source.url, source.copyrights) == ("https://tool.example.org", ("Copyright (c) 2011 Kay",))
    assert sorted(skipped.values()) == ["binary", "package metadata"]


def test_a_source_distribution_is_its_distribution_without_its_top_folder(tmp_path: Path) -> None:
    info = "Metadata-Version: 2.4\nName: tool\nVersion: 3.1\nLicense-Expression: MIT OR Apache-2.0\n\n"
    raw = gzip.compress(tar({"tool-3.1/PKG-INFO": info, "tool-3.1/src/tool/a.py": "a = 1\n"}))
    source = read(save(tmp_path / "tool-3.1.tar.gz", raw))[0]["src/tool/a.py"].source
    assert (source.repository, source.revision, source.license) == ("pypi:tool", "3.1", "MIT OR Apache-2.0")


def test_a_crate_is_its_crate(tmp_path: Path) -> None:
    cargo = (
        '[package]\nname = "zed"\nversion = "0.4.1"\nlicense = "MIT/Apache-2.0"\n'
        'repository = "https://github.com/o/zed"\n[dependencies]\nserde = "1"\n'
    )
    raw = gzip.compress(tar({"zed-0.4.1/Cargo.toml": cargo, "zed-0.4.1/src/lib.rs": "pub fn z() {}\n"}))
    source = read(save(tmp_path / "zed-0.4.1.crate", raw))[0]["src/lib.rs"].source
    assert (source.repository, source.revision, source.license) == ("cargo:zed", "0.4.1", "MIT OR Apache-2.0")
    assert source.url == "https://github.com/o/zed"


@pytest.mark.parametrize(
    ("said", "license", "origin"),
    [
        ({"license": "MIT"}, "MIT", "record"),
        ({"license": {"type": "ISC", "url": "x"}}, "ISC", "record"),
        ({"licenses": [{"type": "MIT"}, {"type": "Apache-2.0"}]}, "MIT OR Apache-2.0", "record"),
        ({"license": "SEE LICENSE IN LICENSE.txt"}, "Zlib", "file"),
        ({"license": "UNLICENSED"}, "LicenseRef-UNLICENSED", "record"),
        ({"license": ["(MIT OR CC0-1.0)"]}, "MIT OR CC0-1.0", "record"),
        ({"license": 7}, "Zlib", "file"),
        ({}, "Zlib", "file"),
    ],
)
def test_an_npm_package_is_its_package(tmp_path: Path, said: dict[str, object], license: str, origin: str) -> None:
    about = {
        "name": "@scope/tool",
        "version": "1.2.3",
        "repository": {"url": "git+https://github.com/o/tool.git"},
        **said,
    }
    files: dict[str, str | bytes] = {
        "package/package.json": json.dumps(about),
        "package/index.js": "exports.x = 1\n",
        "package/LICENSE.txt": "SPDX-License-Identifier: Zlib\n",
    }
    source = read(save(tmp_path / "tool-1.2.3.tgz", gzip.compress(tar(files))))[0]["index.js"].source
    assert (source.repository, source.revision, source.url) == ("npm:@scope/tool", "1.2.3", "https://github.com/o/tool")
    assert (source.license, source.license_origin) == (license, origin)


POM = """<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <parent><groupId>org.example</groupId><version>9</version></parent>
  <artifactId>tool</artifactId><url>https://tool.example.org</url>
  <licenses><license><name>Our words for it</name><url>http://www.apache.org/licenses/LICENSE-2.0.txt</url></license>
  <license><name>MIT License</name></license></licenses>
</project>"""


def test_a_jar_is_what_its_pom_says(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\nImplementation-Ver\r\n sion: 1.5\r\n\r\n",
        "META-INF/maven/org.example/tool/pom.xml": POM,
        "org/example/Tool.java": "class Tool {}\n",
        "org/example/Tool.class": b"\xca\xfe\xba\xbe",
    }
    documents, skipped = read(save(tmp_path / "tool-9-sources.jar", zipped(files)))
    source = documents["org/example/Tool.java"].source
    assert (source.repository, source.revision) == ("maven:org.example:tool", "9")
    assert source.license == "Apache-2.0 OR MIT"
    assert source.url == "https://tool.example.org"
    assert skipped == {"tool-9-sources.jar!org/example/Tool.class": "binary"}


def test_a_pom_beside_a_jar_or_else_its_manifest_and_name_tell(tmp_path: Path) -> None:
    code: dict[str, str | bytes] = {"a/A.java": "class A {}\n"}
    save(tmp_path / "m" / "tool-9.pom", POM.encode())
    with_pom = read(save(tmp_path / "m" / "tool-9-sources.jar", zipped(code)))[0]["a/A.java"].source
    assert (with_pom.repository, with_pom.revision) == ("maven:org.example:tool", "9")
    bundle = "Bundle-License: https://www.eclipse.org/legal/epl-v10.html;description=x\nBundle-Version: 1.2\n\n"
    named = read(save(tmp_path / "other-core-1.2.jar", zipped({**code, "META-INF/MANIFEST.MF": bundle})))
    source = named[0]["a/A.java"].source
    assert (source.repository, source.revision, source.license) == ("maven:other-core", "1.2", "EPL-1.0")


def test_a_pom_with_entities_is_not_parsed(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;">]><project><artifactId>&y;</artifactId></project>'
    raw = zipped({"META-INF/maven/g/a/pom.xml": bomb, "A.java": "class A {}\n"})
    assert read(save(tmp_path / "a-1.jar", raw))[0]["A.java"].source.repository == "maven:a"


def test_a_go_module_is_its_path_and_version(tmp_path: Path) -> None:
    raw = zipped(
        {
            "example.org/o/m@v1.2.3/m.go": "package m\n",
            "example.org/o/m@v1.2.3/LICENSE": "SPDX-License-Identifier: MIT\n",
        }
    )
    source = read(save(tmp_path / "v1.2.3.zip", raw))[0]["m.go"].source
    assert (source.repository, source.revision, source.license) == ("example.org/o/m", "v1.2.3", "MIT")


def test_a_licence_nobody_knows_is_remarked_and_the_file_asked(tmp_path: Path) -> None:
    cargo = '[package]\nname = "zed"\nversion = "1.0.0"\nlicense = "Our Own"\n'
    files: dict[str, str | bytes] = {"zed-1.0.0/Cargo.toml": cargo, "zed-1.0.0/a.rs": "fn a() {}\n"}
    path = save(tmp_path / "zed-1.0.0.crate", gzip.compress(tar(files)))
    assert [item.detail for item in items(path) if isinstance(item, Remark)] == ["Our Own"]
    assert read(path)[0]["a.rs"].source.license == "LicenseRef-Our-Own"
    files["zed-1.0.0/LICENSE"] = "SPDX-License-Identifier: MIT\n"
    save(path, gzip.compress(tar(files)))
    assert (read(path)[0]["a.rs"].source.license, read(path)[0]["a.rs"].source.license_origin) == ("MIT", "file")


def test_broken_metadata_leaves_a_plain_archive(tmp_path: Path) -> None:
    for name, files in {
        "a-1.crate": {"a-1/Cargo.toml": "not = [toml", "a-1/x.rs": "fn x() {}\n"},
        "b-1.tgz": {"package/package.json": "[" * 5000, "package/x.js": "x\n"},
        "c-1.tar.gz": {"c-1/PKG-INFO": "nothing here", "c-1/x.py": "x\n"},
    }.items():
        documents, _ = read(save(tmp_path / name, gzip.compress(tar(dict(files)))))
        assert any(path.startswith("x.") for path in documents), name


def test_a_folder_of_packages_is_a_source_of_all_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    save(folder / "a-1.zip", zipped({"a-1/a.py": "a\n"}))
    save(folder / "sub" / "b-1.tar.gz", gzip.compress(tar({"b-1/b.py": "b\n"})))
    source = open_source(str(folder))
    assert isinstance(source, ArchivesSource)
    assert {document.source.repository for document in read(folder)[0].values()} == {"a-1", "b-1"}


@pytest.mark.parametrize("pack", [lambda files: gzip.compress(tar(files)), zipped])
def test_names_that_point_outside_are_refused_and_the_rest_is_read(
    tmp_path: Path, pack: Callable[[dict[str, str | bytes]], bytes]
) -> None:
    bad = ["/etc/passwd", "../up.py", "a/../../up.py", "C:/x.py", "C:\\x.py", "a/./b.py", "a//b.py"]
    files: dict[str, str | bytes] = dict.fromkeys(bad, "bad\n") | {"good/ok.py": "ok\n", "./fine.py": "fine\n"}
    documents, skipped = read(save(tmp_path / ("x.zip" if pack is zipped else "x.tar.gz"), pack(files)))
    assert set(documents) == {"good/ok.py", "fine.py"}
    assert set(skipped.values()) == {"unsafe path"}
    assert len(skipped) == len(bad)


def test_names_that_are_not_utf8_or_hold_line_breaks_are_written_so_that_they_can_be_read(tmp_path: Path) -> None:
    raw = tar({"t/caf\udce9.py": "a\n", "t/new\nline.py": "b\n"})
    documents, skipped = read(save(tmp_path / "t.tar", raw))
    assert set(documents) == {"caf\\xe9.py", "new\nline.py"}
    assert not skipped


def test_an_archive_inside_of_an_archive_is_counted_and_not_opened(tmp_path: Path) -> None:
    inner = zipped({"t/a.py": "a\n"})
    for _ in range(20):
        inner = zipped({"t/inner.zip": inner})
    documents, skipped = read(save(tmp_path / "t.zip", zipped({"t/inner.zip": inner, "t/b.py": "b\n"})))
    assert set(documents) == {"b.py"}
    assert skipped == {"t.zip!t/inner.zip": "binary"}


def test_links_devices_and_encrypted_members_are_counted(tmp_path: Path) -> None:
    buffer = io.BytesIO(tar({"t/a.py": "a\n"}, **{"t/link": "/etc/passwd"})[:1536])
    buffer.seek(0, io.SEEK_END)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind in (("t/hard", tarfile.LNKTYPE), ("t/dev", tarfile.CHRTYPE), ("t/pipe", tarfile.FIFOTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "t/a.py"
            archive.addfile(entry)
    documents, skipped = read(save(tmp_path / "t.tar", buffer.getvalue()))
    assert set(documents) == {"a.py"}
    assert skipped == {
        "t.tar!t/link": "symbolic link",
        "t.tar!t/hard": "hard link",
        "t.tar!t/dev": "not a file",
        "t.tar!t/pipe": "not a file",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zip_archive:
        info = zipfile.ZipInfo("link.py")
        info.external_attr = 0o120777 << 16
        zip_archive.writestr(info, "/etc/passwd")
        zip_archive.writestr("ok.py", "ok\n")
    raw = bytearray(buffer.getvalue())
    raw[raw.rindex(b"PK\1\2") + 8] |= 1
    assert set(read(save(tmp_path / "l.zip", bytes(raw)))[1].values()) == {"symbolic link", "encrypted"}


def test_the_rules_hold_inside_of_archives(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "p/ok.py": "ok\n",
        "p/.hidden": "h\n",
        "p/big.txt": "y\n" * 1000,
        "p/x.png": b"\x89PNG",
        "p/out/z.py": "z\n",
        "p/empty.py": "",
    }
    options = SourceOptions(rules=Rules(max_file_bytes=1000, exclude=("out/",)))
    documents, skipped = read(save(tmp_path / "p.zip", zipped(files)), options)
    assert set(documents) == {"ok.py"}
    assert sorted(skipped.values()) == ["binary", "empty", "excluded", "hidden", "too large"]


def test_a_bomb_in_a_tar_is_refused_by_its_ratio_and_what_came_before_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9) as packed:
        head = tar({"p/ok.py": "ok\n"})[:1024]
        packed.write(head)
        entry = tarfile.TarInfo("p/bomb.py")
        entry.size = 400 << 20
        packed.write(entry.tobuf())
        for _ in range(400):
            packed.write(bytes(1 << 20))
    path = save(tmp_path / "bomb.tar.gz", buffer.getvalue())
    assert path.stat().st_size < 500_000
    documents, skipped = read(path)
    assert set(documents) == {"ok.py"}
    assert skipped == {"bomb.tar.gz": "bomb archive", "bomb.tar.gz!p/bomb.py": "too large"}


def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 8 << 30
    path = save(tmp_path / "x.tar", tar({"p/ok.py": "ok\n"})[:1024] + entry.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    assert "bomb archive" in read(path)[1].values()


def test_zip_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    raw = bytearray(zipped({"a.py": "x = 1\n" * 5000}))
    start = raw.rindex(b"PK\1\2")
    end = raw.rindex(b"PK\5\6")
    entry = bytes(raw[start:end])
    many = entry * 50
    tail = bytearray(raw[end:])
    struct.pack_into("<HHL", tail, 8, 50, 50, len(many))
    path = save(tmp_path / "overlap.zip", bytes(raw[:start]) + many + bytes(tail))
    with pytest.raises(CorpusError, match="share their bytes"):
        items(path)


def test_a_zip_member_that_swells_beyond_reason_is_counted(tmp_path: Path) -> None:
    path = save(tmp_path / "b.zip", zipped({"ok.py": "ok\n", "bomb.txt": b" " * (100 << 20)}))
    documents, skipped = read(path, SourceOptions(rules=Rules(max_file_bytes=1 << 30)))
    assert (set(documents), skipped) == ({"ok.py"}, {"b.zip!bomb.txt": "bomb"})


@pytest.mark.parametrize("ending", [*PACKERS, "zip"])
def test_a_truncated_archive_is_named_and_what_came_before_is_read(tmp_path: Path, ending: str) -> None:
    noise = random.Random(5)
    files: dict[str, str | bytes] = {f"p/{i}.txt": f"{noise.getrandbits(4000):x}\n" for i in range(2000)}
    raw = zipped(files) if ending == "zip" else PACKERS[ending](tar(files))
    path = save(tmp_path / f"x.{ending}", raw[: len(raw) * 3 // 5 + 100])
    if ending == "zip":
        with pytest.raises(CorpusError, match="truncated"):
            items(path)
        return
    documents, skipped = read(path)
    assert 200 < len(documents) < 1900
    assert skipped == {f"x.{ending}": "truncated archive"}


def test_damage_inside_is_named_and_other_members_of_a_zip_are_read(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"p/{i}.txt": f"{random.Random(i).getrandbits(4000):x}\n" for i in range(20)}
    raw = bytearray(zipped(files))
    raw[len(raw) // 3] ^= 0xFF
    documents, skipped = read(save(tmp_path / "x.zip", bytes(raw)))
    assert len(documents) == 19
    assert list(skipped.values()) == ["corrupt"]
    packed = bytearray(gzip.compress(tar(files)))
    packed[len(packed) // 2] ^= 0xFF
    documents, skipped = read(save(tmp_path / "x.tar.gz", bytes(packed)))
    assert 0 < len(documents) < 20 or skipped == {"x.tar.gz": "corrupt archive"}
    assert "corrupt archive" in skipped.values()


def test_a_damaged_tar_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    raw = bytearray(tar({"p/a.py": "a\n", "p/b.py": "b\n", "p/c.py": "c\n"}))
    raw[1024 + 150] ^= 0x55
    documents, skipped = read(save(tmp_path / "x.tar", bytes(raw)))
    assert (set(documents), skipped) == ({"a.py"}, {"x.tar": "corrupt archive"})


def test_one_damaged_archive_among_others_is_counted_and_alone_it_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "set" / "good.zip", zipped({"g/g.py": "g\n"}))
    bad = save(tmp_path / "set" / "bad.tar.gz", b"\x1f\x8bnothing")
    documents, skipped = read(tmp_path / "set")
    assert set(documents) == {"g.py"}
    assert skipped == {"bad.tar.gz": "corrupt archive"}
    with pytest.raises(CorpusError) as raised:
        items(bad)
    assert "\n" not in str(raised.value)


def test_a_large_archive_is_cut_and_each_part_reads_its_own_members(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_UNIT_BYTES", "_ZIP_UNIT_BYTES"):
        monkeypatch.setattr(f"indexer.sources.archives.{name}", 3000)
    files: dict[str, str | bytes] = {f"p/{i:02}.txt": f"{i}\n" * 300 for i in range(20)}
    for name, raw in {"x.tar.gz": gzip.compress(tar(files)), "x.zip": zipped(files)}.items():
        source = ArchivesSource(str(save(tmp_path / name, raw)))
        units = list(source.plan())
        assert len(units) > 3
        assert len({unit.stamp for unit in units}) == len(units)
        found = [item.source.path for unit in units for item in source.read(unit) if isinstance(item, Document)]
        assert found == [f"{i:02}.txt" for i in range(20)]


def test_an_archive_that_vanishes_is_counted(tmp_path: Path) -> None:
    path = save(tmp_path / "x.zip", zipped({"a/a.py": "a\n"}))
    source = ArchivesSource(str(path))
    (unit,) = source.plan()
    path.unlink()
    assert [item.reason for item in source.read(unit) if isinstance(item, Skipped)] == ["vanished"]


GOOD = {name: pack(tar(TREE)) for name, pack in PACKERS.items()} | {"zip": zipped(TREE)}


@settings(max_examples=250)
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4),
    st.floats(0, 1),
)
def test_whatever_is_done_to_an_archive_only_the_promised_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, ending: str, flips: list[tuple[float, int]], kept: float
) -> None:
    raw = bytearray(GOOD[ending])
    for where, change in flips:
        raw[int(where * len(raw))] ^= change
    path = save(
        tmp_path_factory.mktemp("fuzz") / f"x.{ending}", bytes(raw[: int(kept * len(raw)) if kept < 0.3 else None])
    )
    try:
        for item in items(path):
            assert isinstance(item, Document | Skipped | Remark)
    except CorpusError as error:
        assert "\n" not in str(error)


@settings(max_examples=100)
@given(st.sampled_from(["x.tar", "x.zip", "x.tar.gz", "x.jar"]), st.binary(max_size=2000))
def test_random_bytes_are_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, name: str, raw: bytes) -> None:
    path = save(tmp_path_factory.mktemp("fuzz") / name, raw)
    with members_of(DataFile(str(path), name, len(raw), "")) as members:
        try:
            assert isinstance(list(members), list)
        except OSError as error:
            assert "\n" not in str(error)
