"""Every page and flow in a real browser: Debian's chromium, driven by playwright, judged by axe.

Each walk is made twice, over tantivy and over a real Elasticsearch node. Without a chromium (`apt install chromium`,
or CHROMIUM=/path) they are skipped, and without axe-core, which `make test` puts into .test-cache/axe, accessibility
is not judged; with CI=true both fail. SCREENSHOTS=folder keeps pictures of every page.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(__file__).parents[2] / ".test-cache" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 375, "height": 740}, "color_scheme": "dark", "has_touch": True},
}
PAGES = ("/", "/search", "/lookup?repository=pluggy", "/index", "/index?index=portrait", "/api", "/documents/none")

ENGINES = ("tantivy", "elasticsearch")
WALKS = [*(("tantivy", view) for view in VIEWS), ("elasticsearch", "light")]
"""What differs between the engines is what a page says, not how it is laid out: one view is enough for the second."""

in_every_view = pytest.mark.parametrize(("site", "view"), WALKS, indirect=["site"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium for all walks."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("there is no chromium on this machine")
        pytest.skip("there is no chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=ENGINES)
def site(request: pytest.FixtureRequest) -> Any:
    """The server that is visited."""
    return request.getfixturevalue("client" if request.param == "tantivy" else "cluster_client")


@pytest.fixture
def visit(browser: Browser, site: Any) -> Iterator[Callable[..., Page]]:
    """What opens a page; afterwards nothing may have been complained of, and no other host asked."""
    complaints: list[str] = []
    hosts: set[str] = set()
    contexts = []

    def open_page(view: str = "light", path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=site.base, **{**VIEWS[view], **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # A page that tells of an absent document comes with 404, which chromium notes.
    assert not [each for each in complaints if "404" not in each]
    assert hosts == {urlsplit(site.base).netloc}


def judge(page: Page, name: str) -> None:
    """Fail for what axe calls serious or critical, and for a page wider than the screen."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
    assert AXE.exists() or not os.environ.get("CI"), "there is no axe-core"
    if AXE.exists():
        page.evaluate(AXE.read_text("utf-8"))
        # Lines of code are all alike; two thousand of them take axe six seconds.
        page.evaluate("document.querySelectorAll('.line:nth-child(n + 70)').forEach((line) => line.remove())")
        found = page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
        )
        bad = [
            (each["id"], each["nodes"][0]["html"], each["nodes"][0]["failureSummary"])
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert not bad, f"{name}: {bad}"


def copied(snippet: str) -> str:
    return f"# before, mine\nimport zq\n\n{snippet}\n# after, mine\n"


@in_every_view
def test_every_page_is_readable(visit: Callable[..., Page], view: str) -> None:
    page = visit(view)
    for path in PAGES:
        page.goto(path, wait_until="load")
        judge(page, f"{view}-{path.strip('/').replace('/', '-').partition('?')[0] or 'start'}")


@in_every_view
def test_pasted_code_is_traced_to_its_source_side_by_side(visit: Callable[..., Page], snippet: str, view: str) -> None:
    page = visit(view)
    page.get_by_label("Paste code").fill(copied(snippet))
    page.get_by_role("button", name="Trace").click()
    expect(page.get_by_role("heading", name="Match", exact=True)).to_be_visible()
    marks = page.get_by_role("region", name="Your text with the matching parts marked").locator("mark")
    assert "before, mine" not in "".join(marks.all_inner_texts())
    assert marks.first.inner_text().strip() == snippet.split("\n")[0].strip()
    pair = page.locator(".pair").first
    ours, theirs = (pair.locator(".code").nth(side).locator(".line") for side in range(2))
    rows = [
        (a.strip(), b.strip())
        for a, b in zip(*(side.locator("code").all_inner_texts() for side in (ours, theirs)), strict=False)
    ]
    assert sum(a == b for a, b in rows) >= 55, "the copied part is not aligned"
    assert "code=" not in page.url and "text=" not in page.url
    judge(page, f"{view}-traced")
    page.get_by_role("link", name="stored text").first.click()
    expect(page.locator(".line.marked").first).to_be_in_viewport()
    judge(page, f"{view}-document")


def test_a_dropped_file_is_taken_and_large_or_binary_ones_are_not(visit: Callable[..., Page], snippet: str) -> None:
    page = visit()

    def drop(name: str, content: str) -> None:
        data = page.evaluate_handle(
            "([name, content]) => { const data = new DataTransfer();"
            " data.items.add(new File([content], name)); return data; }",
            [name, content],
        )
        page.dispatch_event("#text", "drop", {"dataTransfer": data})

    drop("large.txt", "x" * 2_000_000)
    expect(page.get_by_text("at most 349,525 can be asked about")).to_be_visible()
    drop("binary.bin", "a\0b")
    expect(page.get_by_text("This file is not text.")).to_be_visible()
    drop("copied.py", copied(snippet))
    expect(page.get_by_text("copied.py is here")).to_be_visible()
    page.get_by_role("button", name="Trace").click()
    expect(page.get_by_role("heading", name="Match", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("site", "view"), [("tantivy", "light"), ("tantivy", "phone"), ("elasticsearch", "light")], indirect=["site"]
)
def test_a_search_is_narrowed_paged_and_linked(visit: Callable[..., Page], view: str) -> None:
    page = visit(view, "/search")
    page.get_by_label("Find").fill("import")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="document")).to_be_visible()
    assert page.locator(".hits mark").count() >= 10 and "import" not in page.url
    judge(page, f"{view}-found")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("ol.hits")).to_have_attribute("start", "11")
    page.get_by_role("checkbox", name="pluggy").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("checkbox", name="pluggy")).to_be_checked()
    assert {each for each in page.locator(".hits .repository").all_inner_texts()} == {"pluggy"}
    page.get_by_role("radio", name="Regular expression").check()
    page.get_by_label("Find").fill(r"def \w+\(self")
    page.get_by_label("Find").press("Control+Enter")
    expect(page.locator(".hits mark").first).to_contain_text("def ")
    page.get_by_role("link", name="Link to this search").click()
    assert "q=def" in page.url and page.locator(".hits mark").count()


def test_everything_is_reached_by_keyboard_alone(visit: Callable[..., Page], snippet: str) -> None:
    page = visit()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Paste code")).to_be_focused()
    page.keyboard.insert_text(copied(snippet))
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Match", exact=True)).to_be_visible()
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"))
        if page.evaluate("document.activeElement === document.body"):
            break  # round once
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", "the focus cannot be seen"
    assert any("Your text" in (each or "") for each in seen) and any("stored text" in (each or "") for each in seen)
    page.goto("/search")
    page.get_by_label("Find").focus()
    page.keyboard.insert_text("def _get_kwargs")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="document")).to_be_visible()


def test_the_theme_follows_the_system_until_one_is_chosen(visit: Callable[..., Page]) -> None:
    page = visit("dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light mode").click()
    light = page.evaluate(ground)
    assert dark != light
    page.goto("/search")
    assert page.evaluate(ground) == light
    expect(page.get_by_role("button", name="Dark mode")).to_be_visible()


def test_a_link_holds_the_code_only_behind_the_hash(visit: Callable[..., Page], snippet: str) -> None:
    page = visit()
    text = f"# 漢字 😀\n{snippet}"
    page.get_by_label("Paste code").fill(text)
    page.get_by_role("button", name="Link with this code in it").click()
    address = page.url
    assert "#code=" in address and "?" not in address
    asked: list[str] = []
    other = visit()
    other.on("request", lambda request: asked.append(request.url))
    other.goto("about:blank")
    other.goto(address)
    expect(other.get_by_label("Paste code")).to_have_value(text)
    assert not any("code=" in urlsplit(each).query for each in asked)


def test_pages_work_without_script(visit: Callable[..., Page], snippet: str) -> None:
    page = visit(java_script_enabled=False)
    page.get_by_label("Paste code").fill(copied(snippet))
    page.get_by_role("button", name="Trace").click()
    expect(page.get_by_role("heading", name="Match", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Dark mode")).to_be_hidden()


def test_hostile_names_do_nothing(visit: Callable[..., Page], hostile_code: str) -> None:
    page = visit()
    alarms: list[str] = []
    page.on("dialog", lambda dialog: (alarms.append(dialog.message), dialog.dismiss()))
    page.get_by_label("Paste code").fill(hostile_code)
    page.get_by_label("Index").select_option("hostile")
    page.get_by_role("button", name="Trace").click()
    expect(page.get_by_role("heading", name="Match", exact=True)).to_be_visible()
    judge(page, "hostile-traced")
    page.get_by_role("link", name="stored text").first.click()
    page.goto("/lookup?owner=evil&index=hostile")
    page.goto("/search?q=alert&index=hostile")
    judge(page, "hostile-found")
    assert not alarms
