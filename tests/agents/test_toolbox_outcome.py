"""What another server answered, made safe to keep and to read."""

from mcp_types import (
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from agents.toolbox_errors import error_outcome, headline_of
from agents.toolbox_outcome import FOREIGN_LENGTH, foreign_outcome, outcome_of
from aiops_mcp.models.chat import ToolStatus


def result(*blocks, structured=None, is_error=False):
    content = [TextContent(type="text", text=b) if isinstance(b, str) else b for b in blocks]
    return CallToolResult(content=content, structured_content=structured, is_error=is_error)


def test_our_own_answer_is_taken_as_it_is():
    told = outcome_of(result("a\nb", structured={"headline": "a", "rows": [["«x»"]]}))
    assert told.text == "a\nb"
    assert told.payload == {"headline": "a", "rows": [["«x»"]]}
    assert told.status is ToolStatus.SUCCESS
    assert outcome_of(result("x", is_error=True)).status is ToolStatus.ERROR
    assert outcome_of(result(structured={"headline": "only this"})).text == "only this"
    assert outcome_of(result("x", structured=["no", "object"])).payload == {}


def test_secrets_and_invisible_characters_are_taken_out_of_anothers():
    told = foreign_outcome(
        result("pass\u200bword=hunter2-hunter2", structured={"api_key": "hunter2-hunter2", "n": 1})
    )
    assert "hunter2" not in told.text + str(told.payload)
    assert told.payload["n"] == 1
    assert told.payload["headline"].startswith("password=[redacted:")


def test_what_is_too_long_is_not_kept():
    whole = foreign_outcome(result("x" * FOREIGN_LENGTH, structured={"n": 1}))
    assert whole.text == "x" * FOREIGN_LENGTH
    assert whole.payload["n"] == 1
    cut = foreign_outcome(result("x" * (FOREIGN_LENGTH + 7), structured={"n": 1}))
    assert cut.text.endswith("x\n… 7 characters more were not kept; ask for less.")
    assert "n" not in cut.payload


def test_what_is_no_text_is_named():
    told = foreign_outcome(
        result(
            "first",
            ImageContent(type="image", data="aGk=", mime_type="image/png"),
            ResourceLink(type="resource_link", name="r", uri="file://x/y"),
            EmbeddedResource(
                type="resource", resource=TextResourceContents(uri="file://z", text="inside")
            ),
        )
    )
    assert told.text.splitlines() == [
        "first",
        "(image/png, not shown)",
        "(resource_link file://x/y, not shown)",
        "inside",
    ]


def test_an_answer_of_nothing_says_so():
    assert foreign_outcome(result()).text == "(it answered nothing)"
    assert foreign_outcome(result(structured={"a": 1})).text == '{"a":1}'


def test_an_error_has_the_form_of_ours():
    told = error_outcome("X", "no password=hunter2-hunter2", "wait", ToolStatus.TIMEOUT)
    assert told.status is ToolStatus.TIMEOUT
    assert "hunter2" not in told.text + str(told.payload)
    assert told.text.endswith("\nhint: wait")
    assert told.payload["error"]["code"] == "X"
    assert error_outcome("X", "no", "").text == "X: no"


def test_a_headline_is_the_first_line_that_says_something():
    assert headline_of("\n  \n a b \nc") == "a b"
    assert headline_of("") == ""
    assert headline_of("x" * 400) == "x" * 299 + "…"
