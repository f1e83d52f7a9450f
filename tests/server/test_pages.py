"""Pages as text: verdicts in words, markup shown harmlessly, nothing of the code in an address."""

from __future__ import annotations

import difflib
import inspect
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.records import Source
from provenance.search.results import Snippet
from provenance.server.questions import split_lines
from provenance.server.views import aligned, excerpt, marked_lines, repository_link

Asked = Any


class Page(HTMLParser):
    """What a browser would make of a page: elements with attributes, and the text outside of the head."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def require_harmless(page: Page) -> None:
    """Fail for anything active that we did not write, and for any address of another host in a loaded resource."""
    assert {each.get("src") for each in page.all("script")} == {"/static/theme.js", "/static/app.js"}
    assert not page.all("img") and not page.all("iframe") and not page.all("style")
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("href", "action", "src"):
            value = attributes.get(name) or ""
            assert not value.strip().lower().startswith(("javascript:", "data:", "//")), (tag, attributes)
            if tag in ("link", "script", "form"):
                assert not urlsplit(value).netloc


@pytest.mark.parametrize(
    ("text", "title"),
    [("", "Too short to judge"), ("x = 1", "Too short to judge"), ("zq wholly new words 17 " * 20, "No copy found")],
)
def test_what_is_not_found_is_said_with_its_limits(client: Asked, text: str, title: str) -> None:
    page = Page(client.form("/", urlencode({"text": text})).text)
    assert title in page.text
    assert "training data" not in page.text and "safe" not in page.text


def test_a_copy_is_shown_with_sources_side_by_side(client: Asked, snippet: str) -> None:
    answer = client.form("/", urlencode({"text": f"# mine\n{snippet}# mine too\n", "min_chars": "96"}))
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    page = Page(answer.text)
    assert "Match" in page.text and "not evidence of copying or infringement" in page.text
    assert "cpython" in page.text and "argparse.py" in page.text and "Licences: " in page.text
    assert "Side by side" in page.text and page.all("mark")
    links = [each["href"] or "" for each in page.all("a") if "/documents/" in (each["href"] or "")]
    assert links and "lines=" in links[0]
    require_harmless(page)
    shown = Page(client.get(links[0].partition("#")[0]).text)
    assert len([each for each in shown.all("span") if "marked" in (each.get("class") or "")]) > 50
    require_harmless(shown)


def test_a_portrait_is_asked_on_the_page_too(client: Asked, snippet: str) -> None:
    page = Page(client.form("/", urlencode({"text": snippet, "index": "portrait"})).text)
    assert "Possible match" in page.text and page.all("mark") and "trace it" not in page.text
    start = Page(client.get("/?index=portrait").text)
    assert "cannot show where" in start.text and "trace it" not in start.text
    refused = client.ask(
        "POST", "/search", b"q=x&index=portrait", Content_Type="application/x-www-form-urlencoded", Accept="text/html"
    )
    assert refused.status == 422 and "filter without texts" in refused.text
    assert Page(client.get("/index?index=portrait").text).all("table")


def test_hostile_names_and_code_are_shown_as_text(client: Asked, hostile_code: str) -> None:
    answers = [
        client.form("/", urlencode({"text": hostile_code, "index": "hostile"})),
        client.form("/", urlencode({"text": hostile_code, "index": "demo"})),
        client.form("/search", urlencode({"q": "<script>", "index": "hostile"})),
        client.form("/search", urlencode({"q": "{{ 7 * 7 }}", "index": "hostile", "languages": '"><script>'})),
        client.get("/search?" + urlencode({"q": "'\"><img src=x onerror=alert(6)>", "index": "hostile"})),
        client.get("/lookup?" + urlencode({"owner": "evil", "index": "hostile"})),
        client.get("/lookup?" + urlencode({"repository": "<script>alert(7)</script>", "index": "hostile"})),
        client.get("/index?index=hostile"),
    ]
    for answer in answers:
        assert answer.status == 200, answer.text
        require_harmless(Page(answer.text))
    assert hostile_code.splitlines()[0] in Page(answers[0].text).text
    assert "alert(4)" in Page(answers[5].text).text
    found = client.post("/api/v1/search", {"query": "alert", "index": "hostile"}).json["results"][0]
    document = client.get(f"/documents/{found['document']}?index=hostile&lines=1-2")
    page = Page(document.text)
    require_harmless(page)
    assert hostile_code.splitlines()[0] in page.text and "{{ 7 * 7 }}" in page.text


def test_lines_are_linked_to_the_repository_at_its_revision(client: Asked) -> None:
    code = "".join(f"def harmless_{n}(value):\n    return value + {n} * 1000003\n" for n in range(3, 7))
    page = Page(client.form("/", urlencode({"text": code, "index": "hostile"})).text)
    links = [each["href"] for each in page.all("a")]
    assert "https://github.com/good/code/blob/v1/good.py#L7-L14" in links
    assert "https://github.com/good/code/blob/v1/good.py#L7-L7" in links
    outside = [each for each in page.all("a") if urlsplit(each["href"] or "").netloc]
    assert outside and all("noreferrer" in (each.get("rel") or "") for each in outside)


def test_a_search_has_no_query_in_its_address_unless_the_link_is_taken(client: Asked) -> None:
    page = Page(client.form("/search", urlencode({"q": "def _get_kwargs", "mode": "literal"})).text)
    assert {(each["method"], each["action"]) for each in page.all("form")} == {("post", "/search")}
    (link,) = [each["href"] or "" for each in page.all("a") if (each["href"] or "").startswith("/search?q=")]
    assert parse_qs(urlsplit(link).query)["q"] == ["def _get_kwargs"]
    again = Page(client.get(link).text)
    assert [each["href"] for each in again.all("a")] == [each["href"] for each in page.all("a")]
    addresses = [each["href"] or "" for each in page.all("a") if each["href"] != link]
    assert not any("_get_kwargs" in address for address in addresses)


def test_facets_narrow_a_search_and_pages_go_on(client: Asked) -> None:
    first = Page(client.form("/search", urlencode({"q": "import"})).text)
    names = {each["name"] for each in first.all("input") if each.get("type") == "checkbox"}
    assert names == {"ignore_case", "languages", "licenses", "repositories"}
    narrowed = Page(client.form("/search", urlencode({"q": "import", "repositories": "pluggy"})).text)
    assert "pluggy" in narrowed.text and "argparse.py" not in narrowed.text
    (chosen,) = [each for each in narrowed.all("input") if "checked" in each and each["name"] == "repositories"]
    assert chosen["value"] == "pluggy"
    second = Page(client.form("/search", urlencode({"q": "import", "page": "2"})).text)
    assert [each["start"] for each in second.all("ol") if "start" in each] == ["11"]
    for page in ("0", "-1", "x", "99999"):
        assert client.form("/search", urlencode({"q": "import", "page": page})).status == 200


def test_lookups_tell_what_is_there_and_what_is_not(client: Asked) -> None:
    assert "document" in Page(client.get("/lookup?repository=PLUGGY").text).text
    absent = Page(client.get("/lookup?owner=nobody-at-all").text).text
    assert "Nothing in demo" in absent and "Copies under other names" in absent


@pytest.mark.parametrize("path", ["/", "/search", "/lookup", "/index", "/api", "/index?index=portrait"])
def test_every_page_is_whole_and_of_this_host(client: Asked, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    page = Page(answer.text)
    require_harmless(page)
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1 and len(page.all("main")) == 1
    for address in [each["href"] for each in page.all("link")] + [each["src"] for each in page.all("script")]:
        assert client.get(address or "").status == 200


def test_failures_are_pages_for_people_and_json_for_programs(client: Asked) -> None:
    page = client.get("/documents/none", Accept="text/html,*/*")
    assert page.status == 404 and "<h1>That did not work</h1>" in page.text
    assert client.get("/documents/none").json["error"]["kind"] == "not_found"
    large = client.ask("POST", "/", b"a" * (5 << 20), Accept="text/html")
    assert large.status == 413 and "larger than 1048576 bytes" in Page(large.text).text
    assert client.form("/", "min_chars=secret").status == 422
    assert client.ask("POST", "/", b"text=x", Content_Type="multipart/form-data; boundary=x").status == 415
    assert client.ask("POST", "/", "text=é".encode(), Content_Type="application/x-www-form-urlencoded").status == 400
    assert client.form("/", "a=b&" * 2000).status == 400


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/o/r/blob/abc/a.py", "https://github.com/o/r/blob/abc/a.py#L3-L5"),
        ("https://gitlab.com/o/r/-/blob/abc/a.py", "https://gitlab.com/o/r/-/blob/abc/a.py#L3-5"),
        ("https://github.com/o/r", "https://github.com/o/r"),
        ("https://example.org/a.py", "https://example.org/a.py"),
        ("javascript:alert(1)", None),
        ("https://user@example.org/", None),
        ('https://example.org/"onclick=x', None),
        ("data:text/html,x", None),
        (None, None),
    ],
)
def test_addresses_of_sources_are_checked(url: str | None, expected: str | None) -> None:
    assert repository_link(Source("r", "p", url=url), 3, 5) == expected


@given(
    text=st.text(alphabet="ab\r\n é\u2028", max_size=60),
    marks=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60))),
)
def test_marked_lines_are_the_text(text: str, marks: list[tuple[int, int]]) -> None:
    ranges = sorted((min(a, b, len(text)), min(max(a, b), len(text)), "") for a, b in marks if a != b)
    lines = marked_lines(text, ranges)
    assert "".join(split_lines(text)) == text
    assert ["".join(piece.text for piece in line.pieces) for line in lines] == [
        line.rstrip("\r\n") for line in split_lines(text)
    ]
    at = 0
    for line, whole in zip(lines, split_lines(text), strict=True):
        place = at
        for piece in line.pieces:
            expected = tuple(
                n for n, (start, end, _) in enumerate(ranges, 1) if start <= place and place + len(piece.text) <= end
            )
            # Blanks at the ends of a line are not marked.
            assert piece.spans == expected or not piece.text.strip() and not piece.spans
            place += len(piece.text)
        at += len(whole)


@given(st.text(alphabet="ab \n", max_size=40), st.text(alphabet="ab \n", max_size=40), st.data())
def test_two_texts_side_by_side_keep_their_lines_and_meet_where_they_should(
    left: str, right: str, data: st.DataObject
) -> None:
    sides = [marked_lines(text, []) for text in (left, right)]
    rows = [
        tuple(pair)
        for pair in zip(
            *(
                sorted(data.draw(st.sets(st.integers(1, len(side)), min_size=3, max_size=3))) if len(side) > 2 else [1]
                for side in sides
            ),
            strict=False,
        )
    ]
    ours, theirs = aligned(*sides, rows)
    assert len(ours) == len(theirs)
    for side, lines in zip((ours, theirs), sides, strict=True):
        assert [line for line in side if line.number] == list(lines)
    met = {(a.number, b.number) for a, b in zip(ours, theirs, strict=True)}
    assert met.issuperset(rows)


def test_snippets_that_share_lines_show_each_once() -> None:
    text = "zero\none\ntwo\nthree\nfour\nfive\nsix\n"
    snippets = [
        Snippet(1, "zero\none\ntwo\n", ((5, 8),)),
        Snippet(3, "two\nthree\n", ((4, 9),)),
        Snippet(7, "six\n", ((0, 3),)),
    ]
    lines = excerpt(snippets)
    assert [line.number for line in lines] == [1, 2, 3, 4, 7]
    assert [line.gap for line in lines] == [0, 0, 0, 0, 2]
    shown = text.split("\n")
    assert all("".join(piece.text for piece in line.pieces) == shown[line.number - 1] for line in lines)
    assert ["".join(p.text for p in line.pieces if p.spans) for line in lines] == ["", "one", "", "three", "six"]


def test_a_copy_laid_out_anew_stands_beside_its_lines(client: Asked, snippet: str) -> None:
    stretched = snippet.replace("\n", "\n\n\n")
    answer = client.form("/", urlencode({"text": stretched, "min_chars": "96"})).text
    ours, theirs = answer.split('<div class="pair">')[1].split("</details>")[0].split("<h3>")[1:]
    rows = [[Page(line).text.strip() for line in side.split('<span class="line')[1:]] for side in (ours, theirs)]
    rows = [[re.sub(r"^[^>]*>\d*", "", each).strip() for each in side] for side in rows]
    assert len(rows[0]) == len(rows[1])
    filled = [(a, b) for a, b in zip(*rows, strict=True) if a and b]
    assert len(filled) > 40 and sum(a == b for a, b in filled) > len(filled) - 5


def test_an_edited_copy_is_shown_with_what_was_renamed(client: Asked) -> None:
    code = inspect.getsource(difflib.SequenceMatcher.find_longest_match)
    code = re.sub(r'(?m)^ *"""(?s:.*?)"""\n|^ *#.*\n', "", code)
    names = {"alo": "low", "blo": "base", "b2j": "places", "besti": "one", "bestj": "other", "bestsize": "longest"}
    for old, new in names.items():
        code = re.sub(rf"\b{old}\b", new, code)
    answer = client.form("/", urlencode({"text": code, "min_chars": "96"}))
    page = Page(answer.text)
    require_harmless(page)
    assert "names were replaced" in page.text and "equal but for names" in page.text
    assert [each for each in page.all("mark") if each.get("class") == "edited"]
    assert names.items() <= set(re.findall(r"<td><code>(\w+)</code></td><td><code>(\w+)</code></td>", answer.text))
    pairs = [part.split("</details>")[0].split("<h3>")[1:] for part in answer.text.split('<div class="pair">')[1:]]
    assert pairs and all(ours.count('<span class="line') == theirs.count('<span class="line') for ours, theirs in pairs)
