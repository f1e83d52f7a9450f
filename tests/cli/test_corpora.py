"""Published corpora from a file to an answer, and damaged ones: everything through the command line.

The files are written here with pyarrow and json alone. Column names and types are those of the data cards.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Run = Callable[..., CompletedProcess[bytes]]
S, N, D, B, I32 = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.int32()
US, NS = pa.timestamp("us"), pa.timestamp("ns")
STRINGS = pa.list_(S)
WHEN = datetime(2021, 3, 4, 5, 6, 7)
SHA = "0123456789abcdef0123456789abcdef01234567"


class Known(NamedTuple):
    """A text of a corpus and what must be said of its source."""

    text: str
    repository: str
    path: str
    license: str
    revision: str | None = None


def code(name: str, number: int) -> str:
    """Return Python-like text that no other name and number gives."""
    chance = random.Random(f"{name} {number}")
    names = ["".join(chance.choices("bcdfghjklmnpqrstvwxz", k=8)) for _ in range(12)]
    lines = [f"def {names[i]}({names[i + 1]}):\n    return {names[i]} * {chance.randrange(10**9)}\n" for i in range(11)]
    return "\n".join(lines)


def parquet(path: Path, columns: list[tuple[str, pa.DataType]], rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True)
    table = pa.Table.from_pylist(rows, schema=pa.schema(columns))
    assert table.schema.types == [kind for _, kind in columns]
    pq.write_table(table, path, row_group_size=2)
    assert pq.ParquetFile(path).num_row_groups > 1


def family(
    x: str, *, repository: str | None, path: str, licenses: list[str] | None, count: int | None
) -> dict[str, Any]:
    return {
        f"max_{x}_repo_path": path, f"max_{x}_repo_name": repository, f"max_{x}_repo_head_hexsha": SHA,
        f"max_{x}_repo_licenses": licenses, f"max_{x}_count": count,
        f"max_{x}_repo_{x}_event_min_datetime": None,
        f"max_{x}_repo_{x}_event_max_datetime": "2022-01-01T00:00:00.000Z",
    }  # fmt: skip


def the_stack_v1(folder: Path) -> Iterator[Known]:
    columns = [("hexsha", S), ("size", N), ("ext", S), ("lang", S)]
    for x in ("stars", "issues", "forks"):
        columns += [(f"max_{x}_repo_{part}", S) for part in ("path", "name", "head_hexsha")]
        columns += [(f"max_{x}_repo_licenses", STRINGS), (f"max_{x}_count", N)]
        columns += [(f"max_{x}_repo_{x}_event_{end}_datetime", S) for end in ("min", "max")]
    columns += [("content", S), ("avg_line_length", D), ("max_line_length", N), ("alphanum_fraction", D)]
    rows = []
    for i in range(5):
        text = code("v1", i)
        licenses = [["MIT"], ["Apache-2.0", "BSD-3-Clause"], [], None, ["GPL-2.0"]][i]
        row = {
            "hexsha": SHA,
            "size": len(text),
            "ext": "py",
            "lang": "Python",
            "content": text,
            "avg_line_length": None,
        }
        for x in ("stars", "issues", "forks"):
            absent = i == 1 and x == "stars"
            row |= family(
                x, repository=None if absent else f"{x}/r{i}", path=f"{x}/f{i}.py", licenses=licenses,
                count=None if i == 2 else i,
            )  # fmt: skip
        rows.append(row)
        x = "issues" if i == 1 else "stars"
        said = ["MIT", "Apache-2.0 AND BSD-3-Clause", "NOASSERTION", "NOASSERTION", "GPL-2.0-only"][i]
        yield Known(text, f"{x}/r{i}", f"{x}/f{i}.py", said, SHA)
    parquet(folder / "data" / "train-00000.parquet", columns, rows)


def the_stack_smol(folder: Path) -> Iterator[Known]:
    columns = [("content", S), ("avg_line_length", D), ("max_line_length", N), ("alphanum_fraction", D)]
    columns += [("licenses", STRINGS), ("repository_name", S), ("path", S), ("size", N), ("lang", S)]
    known = [Known(code("smol", i), f"s/r{i}", f"d/{i}.rs", "ISC") for i in range(3)]
    rows = [
        {"content": k.text, "licenses": ["isc"], "repository_name": k.repository, "path": k.path, "lang": "Rust"}
        for k in known
    ]
    parquet(folder / "train.parquet", columns, rows)
    yield from known


def starcoderdata(folder: Path) -> Iterator[Known]:
    columns = [
        ("max_stars_repo_path", S),
        ("max_stars_repo_name", S),
        ("max_stars_count", N),
        ("id", S),
        ("content", S),
    ]
    texts = [code("starcoder", i) for i in range(6)]
    wrapped = [
        f"<reponame>sc/r0<filename>a/0.py<gh_stars>10-100\n{texts[0]}",
        texts[1],
        f"<filename>only/2.py\n{texts[2]}",
        f"<commit_before>x = 1\n<commit_msg>change it<commit_after>{texts[3]}",
        f"<issue_start><issue_comment>username_0: it breaks at\n{texts[4]}<issue_closed>",
        f"<jupyter_start><jupyter_text># Title\n<jupyter_code>{texts[5]}<jupyter_output><empty_output>",
    ]
    named = {"max_stars_repo_path": "b/1.py", "max_stars_repo_name": "sc/r1", "max_stars_count": 3, "id": "1"}
    rows = [{**(named if i == 1 else dict.fromkeys(named)), "content": text} for i, text in enumerate(wrapped)]
    parquet(folder / "python" / "train-0.parquet", columns, rows)
    yield Known(texts[0], "sc/r0", "a/0.py", "NOASSERTION")
    yield Known(texts[1], "sc/r1", "b/1.py", "NOASSERTION")
    yield Known(texts[2], "starcoderdata", "only/2.py", "NOASSERTION")
    for i in (3, 4, 5):
        yield Known(texts[i], "starcoderdata", f"python/train-0.parquet#{i}", "NOASSERTION")


def the_stack_v2(folder: Path) -> Iterator[Known]:
    columns = [(name, S) for name in ("blob_id", "directory_id", "path", "content_id")]
    columns += [("detected_licenses", STRINGS)]
    columns += [(name, S) for name in ("license_type", "repo_name", "snapshot_id", "revision_id", "branch_name")]
    columns += [("visit_date", NS), ("revision_date", US), ("committer_date", US), ("github_id", N)]
    columns += [("star_events_count", N), ("fork_events_count", N), ("gha_license_id", S)]
    columns += [("gha_event_created_at", US), ("gha_created_at", US), ("gha_language", S), ("src_encoding", S)]
    columns += [
        ("language", S),
        ("is_vendor", B),
        ("is_generated", B),
        ("length_bytes", N),
        ("extension", S),
        ("content", S),
    ]
    found = [["MIT"], [], None, ["Apache-2.0", "MIT"]]
    said = ["MIT", "NONE", "LGPL-2.1-only", "Apache-2.0 AND MIT"]
    rows = []
    for i in range(4):
        text = code("v2", i)
        rows.append(
            {
                "blob_id": SHA, "path": f"/src/{i}.go", "detected_licenses": found[i], "repo_name": f"v2/r{i}",
                "license_type": "no_license" if i == 1 else "permissive", "revision_id": SHA, "visit_date": WHEN,
                "committer_date": WHEN if i else None, "github_id": None, "star_events_count": i,
                "src_encoding": "UTF-8", "gha_license_id": "lgpl-2.1" if i == 2 else None, "language": "Go",
                "is_vendor": False, "content": text,
            }
        )  # fmt: skip
        yield Known(text, f"v2/r{i}", f"src/{i}.go", said[i], SHA)
    parquet(folder / "data" / "Go" / "0.parquet", columns, rows)


def the_stack_v3(folder: Path) -> Iterator[Known]:
    about = [("branch", S), ("commit_count", I32), ("repo_created_at", S), ("is_fork", B), ("is_org_owned", B)]
    about += [("forked_from", S), ("stars", I32), ("forks", I32), ("issues", I32), ("pull_requests", I32)]
    file = [("content_id", S), ("content", S), ("size_bytes", N), ("file_path", S), ("file_timestamp", N)]
    file += [("language", S), ("is_vendor", B), ("license_type", S), ("detected_licenses", STRINGS)]
    columns = [("repo_path", S), ("repo_id", N), ("commit_id", S), ("github_metadata", pa.struct(about))]
    columns += [("num_files", N), ("files", pa.list_(pa.struct(file)))]
    rows: list[dict[str, Any]] = []
    for i in range(5):
        texts = [code("v3", 10 * i + j) for j in range(i)]
        files = [
            {"content": text, "file_path": f"lib/{j}.c", "detected_licenses": ["Zlib"], "license_type": "permissive"}
            for j, text in enumerate(texts)
        ]
        stars = {"stars": i, "is_fork": False} if i % 2 else None
        rows.append({"repo_path": f"v3/r{i}", "commit_id": SHA, "github_metadata": stars, "files": files or None})
        for j, text in enumerate(texts):
            yield Known(text, f"v3/r{i}", f"lib/{j}.c", "Zlib", SHA)
    parquet(folder / "part-00000-c000.snappy.parquet", columns, rows)


def codeparrot(folder: Path) -> Iterator[Known]:
    columns = [("repo_name", S), ("path", S), ("copies", S), ("size", S), ("content", S), ("license", S), ("hash", N)]
    columns += [("line_mean", D), ("line_max", N), ("alpha_frac", D), ("autogenerated", B)]
    known = [Known(code("parrot", i), f"cp/r{i}", f"{i}.py", "GPL-3.0-only") for i in range(3)]
    parquet(
        folder / "a" / "0.parquet",
        columns,
        [
            {"repo_name": k.repository, "path": k.path, "content": k.text, "license": "gpl-3.0", "size": "9"}
            for k in known
        ],
    )
    yield from known
    columns = [("code", S), ("repo_name", S), ("path", S), ("language", S), ("license", S), ("size", I32)]
    known = [Known(code("github-code", i), f"gc/r{i}", f"{i}.java", "Apache-2.0") for i in range(3)]
    parquet(
        folder / "b" / "0.parquet",
        columns,
        [{"code": k.text, "repo_name": k.repository, "path": k.path, "license": "apache-2.0"} for k in known],
    )
    yield from known


def dolma(folder: Path) -> Iterator[Known]:
    folder.mkdir()
    texts = [code("dolma", i) for i in range(3)]
    inside = {"max_stars_repo_name": "do/r1", "max_stars_repo_path": "p/1.py", "max_stars_repo_licenses": ["MIT"]}
    rows: list[dict[str, Any]] = [
        {"id": "doc-0", "text": texts[0], "source": "stack", "added": "2023-01-01", "created": None},
        {"id": "doc-1", "text": texts[1], "source": "stack", "metadata": inside},
        {"id": "doc-2", "text": texts[2], "source": "stack", "metadata": {}},
    ]
    (folder / "stack-0000.json.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    yield Known(texts[0], "stack", "doc-0", "NOASSERTION")
    yield Known(texts[1], "do/r1", "p/1.py", "MIT")
    yield Known(texts[2], "stack", "doc-2", "NOASSERTION")


def redpajama(folder: Path) -> Iterator[Known]:
    folder.mkdir()
    lines = []
    for i in range(3):
        meta = {"repo_name": f"rp/r{i}", "path": f"x/{i}.cpp", "license": "bsd-2-clause", "content_hash": "00"}
        text = code("redpajama", i)
        written = [meta, json.dumps(meta), str(meta)][i]
        lines.append(json.dumps({"text": text, "meta": written, "red_pajama_subset": "github"}) + "\n")
        yield Known(text, f"rp/r{i}", f"x/{i}.cpp", "BSD-2-Clause")
    (folder / "filtered_0.jsonl").write_text("".join(lines))


CORPORA = (the_stack_v1, the_stack_smol, starcoderdata, the_stack_v2, the_stack_v3, codeparrot, dolma, redpajama)


def test_rows_of_every_published_schema_are_traced_to_their_own_source(run: Run, tmp_path: Path) -> None:
    known = [one for write in CORPORA for one in write(tmp_path / write.__name__)]
    done = run("index", *(tmp_path / write.__name__ for write in CORPORA), "--index", tmp_path / "index", "-j", "2")
    assert done.returncode == 0, done.stderr
    asked = []
    for number, one in enumerate(known):
        asked.append(tmp_path / f"asked-{number}.py")
        asked[-1].write_text(one.text)
    done = run("trace", *asked, "--index", tmp_path / "index", "--format", "jsonl", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    answers = {Path(a["path"]).name: a for a in map(json.loads, done.stdout.splitlines()) if "spans" in a}
    assert len(answers) == len(known) == 40
    for number, one in enumerate(known):
        (span,) = answers[f"asked-{number}.py"]["spans"]
        (source,) = span["sources"]
        assert (source["repository"], source["path"], source["license"], source["revision"]) == one[1:]


def test_commits_issues_and_notebooks_are_kinds_that_can_be_searched(run: Run, tmp_path: Path) -> None:
    known = list(starcoderdata(tmp_path / "set"))
    assert run("index", tmp_path / "set", "--index", tmp_path / "index", "-j", "1").returncode == 0
    for kind, expected in (("file", 3), ("commit", 1), ("issue", 1), ("notebook", 1)):
        done = run("search", "return", "--kind", kind, "-c", "--index", tmp_path / "index", "--format", "json")
        answer = json.loads(done.stdout)
        kinds = [hit["kind"] for hit in answer["results"]]
        assert kinds == [kind] * expected, kind
    assert len(known) == 6


# -- damage --------------------------------------------------------------------------------------------------------

FOUND = code("found", 0)


def report(run: Run, tmp_path: Path, *sources: Path) -> tuple[CompletedProcess[bytes], dict[str, Any]]:
    """Index ``sources`` and return the process and its report; what is whole must have been indexed."""
    done = run("index", *sources, "--index", tmp_path / "index", "-j", "1", "--format", "json")
    assert done.returncode == 0, done.stdout
    (tmp_path / "asked.py").write_text(FOUND)
    asked = run("trace", tmp_path / "asked.py", "--index", tmp_path / "index", "--fail-on", "never", "--format", "json")
    assert b'"found"' in asked.stdout or b"found.py" in asked.stdout, asked.stdout
    said: dict[str, Any] = json.loads(done.stdout)["report"]["tally"]
    return done, said


def refused(done: CompletedProcess[bytes], *words: str) -> None:
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert len(said.splitlines()) == 1 and all(word in said for word in words), said


def rows(path: Path, texts: list[str], **options: Any) -> Path:
    names = [f"{number}.py" for number in range(len(texts) - 1)] + ["found.py"]
    table = pa.table({"content": texts, "repository_name": ["o/n"] * len(texts), "path": names})
    pq.write_table(table, path, row_group_size=1, compression="zstd", **options)
    return path


def tar(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as whole:
        for name, raw in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            whole.addfile(entry, io.BytesIO(raw))
    return path


def test_a_corrupt_row_group_is_named_and_the_others_are_indexed(run: Run, tmp_path: Path) -> None:
    path = rows(tmp_path / "rows.parquet", [code("row", 0), code("row", 1), FOUND])
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    raw[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(raw)
    _, said = report(run, tmp_path, path)
    assert said["skipped"]["corrupt row group"] == 1
    assert "rows.parquet" in said["examples"]["corrupt row group"][0]


def test_a_truncated_archive_is_named_and_what_came_before_is_indexed(run: Run, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(200_000).hex().encode()
    path = tar(tmp_path / "t-1.tar.gz", [("t-1/found.py", FOUND.encode()), ("t-1/b.txt", noise)])
    path.write_bytes(path.read_bytes()[:-50_000])
    _, said = report(run, tmp_path, path)
    assert said["skipped"]["truncated archive"] == 1
    assert "t-1.tar.gz" in said["examples"]["truncated archive"][0]
    path.write_bytes(path.read_bytes()[:30])
    refused(run("index", path, "--index", tmp_path / "other"), "t-1.tar.gz", "truncated")


def test_a_zip_bomb_is_named_and_other_members_are_indexed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("found.py", FOUND)
        whole.writestr("bomb.txt", b"\n" * (80 << 20))
    _, said = report(run, tmp_path, path)
    assert said["skipped"]["bomb"] == 1
    assert "bomb.txt" in said["examples"]["bomb"][0]


def test_an_archive_whose_members_share_their_bytes_is_refused(run: Run, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("a.txt", random.Random(2).randbytes(3000).hex())
    raw = buffer.getvalue()
    end = raw.rindex(b"PK\5\6")
    (start,) = struct.unpack_from("<L", raw, end + 16)
    count = 500
    directory = raw[start:end] * count
    tail = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
    (tmp_path / "overlap.zip").write_bytes(raw[:start] + directory + tail)
    refused(run("index", tmp_path / "overlap.zip", "--index", tmp_path / "index"), "overlap.zip", "bomb")


def test_paths_that_point_outside_are_named_and_the_rest_is_indexed(run: Run, tmp_path: Path) -> None:
    evil = ["/etc/evil.py", "../evil.py", "t/../../evil.py", "C:\\evil.py"]
    files = [(name, code("evil", i).encode()) for i, name in enumerate(evil)]
    path = tar(tmp_path / "t.tar.gz", [*files, ("t/found.py", FOUND.encode())])
    _, said = report(run, tmp_path, path)
    assert said["skipped"]["unsafe path"] == 4
    assert all(any(name in shown for shown in said["examples"]["unsafe path"]) for name in evil)


def test_wrong_column_types_are_refused_by_name(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"content": [1, 2], "path": ["a", "b"]}), tmp_path / "numbers.parquet")
    refused(
        run("index", tmp_path / "numbers.parquet", "--index", tmp_path / "i"), "numbers.parquet", "content", "int64"
    )
    folder = tmp_path / "both"
    folder.mkdir()
    pq.write_table(pa.table({"content": [1, 2], "path": ["a", "b"]}), folder / "a.parquet")
    rows(folder / "b.parquet", [code("row", 0), FOUND])
    done = run("index", folder, "--index", tmp_path / "i")
    assert done.returncode in (0, 2)
    assert b"a.parquet" in done.stdout + done.stderr


def test_a_row_with_a_value_of_another_type_is_named_and_the_others_are_indexed(run: Run, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"content": 7, "repository_name": "o/n", "path": "seven.py"},
        {"content": FOUND, "repository_name": "o/n", "path": "found.py"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, said = report(run, tmp_path, path)
    assert sum(said["skipped"].values()) == 1
    assert "rows.jsonl" in str(said["examples"])


def test_unknown_licence_strings_are_named_and_their_texts_indexed(run: Run, tmp_path: Path) -> None:
    odd = ["Do what I mean", "MIT AND", "(((", "GPL-9.9 WITH nothing", "\u202e weird"]
    texts = [code("odd", i) for i in range(len(odd))] + [FOUND]
    table = pa.table(
        {
            "content": texts,
            "repository_name": ["o/n"] * len(texts),
            "path": [f"{i}.py" for i in range(len(odd))] + ["found.py"],
            "licenses": [*([one] for one in odd), ["MIT"]],
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    _, said = report(run, tmp_path, tmp_path / "rows.parquet")
    assert said["documents"] == len(texts)
    assert said["remarks"]["unknown licence"] == len(odd)
    assert "Do what I mean" in str(said["examples"]["unknown licence"])
    told = run("index", tmp_path / "rows.parquet", "--index", tmp_path / "told", "-j", "1").stdout.decode()
    assert f"{len(odd)} unknown licence  (such as rows.parquet#0: Do what I mean)" in told
    assert "% of the bits set" in told and "expected error a window" in told
    assert "too few repositories" in told and "96: 1.5 %" in told


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PK\3\4 and no more", b"\x1f\x8b\x08\0 nothing"])
@pytest.mark.parametrize("name", ["x.parquet", "x.zip", "x.tar.gz", "x.jsonl.gz"])
def test_a_source_of_which_nothing_can_be_read_is_refused_by_name(
    run: Run, tmp_path: Path, name: str, damage: bytes
) -> None:
    (tmp_path / name).write_bytes(damage)
    refused(run("index", tmp_path / name, "--index", tmp_path / "index"), name)


@pytest.mark.parametrize("name", ["rows.jsonl", "a.py"])
def test_an_index_inside_of_its_source_is_not_read(run: Run, tmp_path: Path, name: str) -> None:
    text = "def sum_of_all_the_numbers(numbers):\n    return sum(number for number in numbers if number)\n" * 3
    row = json.dumps({"content": text, "path": "a.py", "repo_name": "o/n", "license": "mit"}) + "\n"
    (tmp_path / name).write_text(row if name == "rows.jsonl" else text)
    for addition in range(2):
        done = run("index", ".", "--index", "corpus.idx", "--format", "json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert (answer["report"]["documents"], answer["report"]["present"]) == (1, addition)
        assert answer["index"]["corpus"]["complete"]
    done = run("trace", ".", "--index", "corpus.idx", "--format", "json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert [each["path"] for each in answer["results"]] == [f"./{name}"] and answer["skipped"] == {"index": 1}
    done = run("index", "corpus.idx", "--index", "other.idx", cwd=tmp_path)
    assert done.returncode == 2 and b"this is an index; name what it was built from" in done.stderr
