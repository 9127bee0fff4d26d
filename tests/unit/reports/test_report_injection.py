"""What a cluster wrote stays text in every form of a report."""

import html.parser
import json
import re

import pytest

from aiops_mcp.models.reports import ReportContent, ReportFormat
from aiops_mcp.reports.markdown import plain
from aiops_mcp.reports.render import render

ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; background: url(//evil.example) '",
    "</title></style></svg><iframe src=//evil.example>",
    "<!-- --!><a href='javascript:alert(1)'>x</a>",
    "&lt;script&gt; &#60;b&#62;",
    "javascript:alert(1)",
    "![x](http://evil.example/a.png) [y](javascript:alert(1)) <http://evil.example>",
    "| a | b |\n|---|---|\n# heading\n- list\n```\nfence",
    "````\nout of the fence",
    '<para><img src="file:///etc/passwd"/></para><font name="nothing">',
    "<a href='http://evil.example'>x</a><onDraw name='x'/>",
    "]]>%PDF (x) Tj /JavaScript",
    "\u202egnp.exe \u0000\u0007 tail",
)
BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")
"""A bar that divides cells: before it stands an even number of backslashes."""
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1"),
    *("h2", "h3", "dl", "div", "dt", "dd", "nav", "ol", "li", "a"),
    *("section", "span", "table", "thead", "tbody", "tr", "th", "td", "code", "figure"),
    *("figcaption", "b", "svg", "polyline", "rect", "text", "details", "summary", "pre", "footer"),
}


class Page(html.parser.HTMLParser):
    """The tags, attributes and texts of a page, as a browser would take them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")


@pytest.mark.parametrize("attack", ATTACKS)
def test_html_has_the_tags_of_a_harmless_report_and_no_other(content, attack) -> None:
    harmless = Page(render(content("harmless"), ReportFormat.HTML).decode())
    page = Page(render(content(attack), ReportFormat.HTML).decode())
    # A long label of a bar leaves no room for that of the next one.
    words = {"text"}
    assert [tag for tag in page.tags if tag not in words] == [
        tag for tag in harmless.tags if tag not in words
    ]
    assert set(page.tags) <= ALLOWED
    assert {name for name, _ in page.attributes} == {name for name, _ in harmless.attributes}
    assert attack in "".join(page.texts)
    links = {value for name, value in page.attributes if name in {"href", "src", "style"}}
    assert links == {"#s1", "#missing"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_html_may_show_itself_and_nothing_else(content) -> None:
    page = render(content("x"), ReportFormat.HTML).decode()
    (policy,) = [text for _, text in Page(page).attributes if text and "default-src" in text]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "@import" not in page
    assert "url(" not in page


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_has_the_lines_of_a_harmless_report(content, attack) -> None:
    """Same headings, tables and fences: nothing of the text became Markdown or HTML."""

    def shape(text: str) -> list[str]:
        kinds: list[str] = []
        fence = ""
        for line in render(content(text), ReportFormat.MARKDOWN).decode().split("\n"):
            ticks = re.match(r"`{3,}", line)
            if fence:
                fence = "" if line == fence else fence
            elif ticks:
                fence = ticks.group()
                kinds.append("fence")
            elif line.startswith("|"):
                kinds.append(f"row {len(BAR.findall(line))}")
            else:
                kinds.append(re.match(r"#*|-", line).group() if line else "")
            if not fence and not ticks:
                bare = re.sub(r"\\.", "", line)
                assert "<" not in bare, line
                assert "](" not in bare, line
        return kinds

    assert shape(attack) == shape("harmless")


def test_markdown_escapes_what_begins_a_thing() -> None:
    assert plain("a|b") == r"a\|b"
    assert plain("<b>*x* _y_ `z` [l](u)") == r"\<b\>\*x\* \_y\_ \`z\` \[l\](u)"
    assert plain("one\n# two\r\n- three") == r"one \# two - three"
    assert plain("\\|") == r"\\\|"
    assert plain("&lt;") == r"\&lt;"


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pdf_is_made_of_any_text_and_does_nothing(content, attack) -> None:
    made = render(content(attack), ReportFormat.PDF)
    assert made.startswith(b"%PDF-1.")
    for active in (b"/JavaScript ", b"/JS ", b"/Launch", b"/URI", b"/EmbeddedFile", b"/OpenAction"):
        assert active not in re.sub(rb"stream.*?endstream", b"", made, flags=re.DOTALL)


@pytest.mark.parametrize("attack", ATTACKS)
def test_json_gives_back_what_it_was_given(content, attack) -> None:
    made = render(content(attack), ReportFormat.JSON)
    assert ReportContent.model_validate_json(made) == content(attack)
    assert json.loads(made)["title"] == attack
