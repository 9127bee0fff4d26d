"""Parts of the checker: what is a claim, what a result holds, and how sure one may be."""

import pytest

from agents.evidence import check
from agents.evidence_text import sentences_in, without_code
from aiops_mcp.models.chat import Confidence, MarkKind, Reference, ToolStatus

RANKED = "Most likely.\nscore | component | what\n{} | shop/a | it broke\n{} | shop/b | -"


def reference(
    text: str = "3 pods of shop/cart fail.", number: int = 1, **fields: object
) -> Reference:
    given = {
        "number": number,
        "tool_call_id": f"c{number}",
        "tool": "list_unhealthy",
        "status": ToolStatus.SUCCESS,
        "headline": text.split("\n", maxsplit=1)[0],
        "coverage": "2 of 2 clusters answered",
        "text": text,
        "as_of": "2026-11-25T12:00:00Z",
    }
    return Reference.model_validate(given | fields)


def marked(text: str, *references: Reference, asked: str = "") -> list[str]:
    return [one.text for one in check(text, references or [reference()], asked=asked).marks]


@pytest.mark.parametrize(
    "text",
    [
        "1. Three pods fail [1].\n2. See the log [1].\n   3) And so on.",
        "Run this:\n```\nkubectl scale --replicas=77 deploy/x-9\n```",
        "Run `kubectl logs x-77 --tail=900` now.",
        "It speaks TLS 1.3 and IPv6; version v1.31.7 of Kubernetes, e.g. 4.18.7 of OpenShift.",
        "Restart it within 45 minutes.",
        "Latency should stay below 350 ms.",
        "The 95th percentile (p95), 5xx codes and the 2nd replica matter.",
        "Is it 99 % full?",
        "See https://example.com/a/99?b=77 for more.",
        "It runs 24/7.",
        "The read/write and/or client/server parts are well.",
        "CrashLoopBackOff of a StatefulSet in OpenShift is no alert.",
        "An out-of-memory kill is a node-level event in a two-phase roll-out.",
        "It may be caused by the network.",
        "It is not caused by the network.",
        "## Root cause",
        "",
    ],
)
def test_no_claims(text: str) -> None:
    assert marked(text) == []


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("12 pods fail [1].", ["12"]),
        ("3 pods fail [1].", []),
        ("The quota is 25.5 GiB [1].", ["25.5 GiB"]),
        ("shop/carts fails [1].", ["shop/carts"]),
        ("Pod `cart-7d9f-x2` fails [1].", ["cart-7d9f-x2"]),
        (
            "Trace 0af7651916cd43dd8448eb211c80319c is slow [1].",
            ["0af7651916cd43dd8448eb211c80319c"],
        ),
        ("Host 10.1.2.3 fails [1].", ["10.1.2.3"]),
        ("It began at 07:33 [1].", ["07:33"]),
        ("It began at 7:33 CET [1].", []),
        ("It began on 2026-11-20 [1].", ["2026-11-20"]),
        ("It is 2026-11-25 12:00 UTC [1].", []),
        ("As [2] says, it fails [1, 4].", ["[2]", "[4]"]),
        ("As [1-3] say.", ["[2]"]),
        ("It fails due to heat.", ["due to"]),
        ("It fails due to heat [1].", []),
        ("- It fails due to heat.\n- The next item cites [1].", ["due to"]),
        ("It fails due to heat. That is in the log [1].", []),
        ("It fails due to heat [9].", ["due to", "[9]"]),
    ],
)
def test_claims(text: str, marks: list[str]) -> None:
    assert marked(text) == marks


def test_what_the_user_said_needs_no_result() -> None:
    question = "Why is prod-paris-7 over 870 ms since 07:33?"
    assert marked("prod-paris-7 is at 870 ms since 07:33.", asked=question) == []
    assert marked("prod-paris-7 is at 870 ms since 07:33.") == ["prod-paris-7", "870 ms", "07:33"]


@pytest.mark.parametrize(
    ("held", "claim"),
    [
        ("use (ratio) 0.3333", "33 %"),
        ("a | b_ms\nx | 1765", "1.8 s"),
        ("a | b_s\nx | 1.765", "1,765 ms"),
        ("memory (bytes) 354600000", "355 MB"),
        ("memory (bytes) 354600000", "338 MiB"),
        ("offset 4200 ns", "4.2 µs"),
        ("2103 requests", "2.1k"),
        ("lasted 1h20m", "80 minutes"),
        ("rose 72 -> 2 percent", "97 %"),
        ("rose 2 -> 10", "5x"),
        ("13 of 15 clusters answered", "2"),
        ("a | n\nx | 1.5\ny | 2.25", "3.75"),
        ("8 of 40 GPUs", "20 %"),
        ("about 99.12 % used", "0.88 % free"),
    ],
)
def test_numbers_in_other_forms(held: str, claim: str) -> None:
    assert marked(f"It is {claim} now [1].", reference(f"Rows of it.\n{held}")) == []


@pytest.mark.parametrize(
    ("held", "claim"),
    [
        ("took 35 ms", "35 s"),
        ("took 12 s", "12 minutes"),
        ("it is 0.34 in ratio", "33 %"),
        ("2103 requests", "2.3k"),
        ("4200 ns offset", "42 ns"),
        ("at 12:35 it was", "35"),
        ("worker-17 fails", "17"),
    ],
)
def test_equal_digits_are_not_enough(held: str, claim: str) -> None:
    text = f"It is {claim} now [1]."
    assert marked(text, reference(f"Rows.\n{held}")) == [claim]


def test_a_number_is_held_against_what_is_cited() -> None:
    first, second = reference("3 pods fail."), reference("7 nodes of 641 are well.", number=2)
    assert marked("7 pods fail [1].", first, second) == ["7"]
    assert marked("641 nodes are well [1].", first, second) == []
    assert marked("7 nodes are well [2].", first, second) == []


def test_marks_stand_where_the_claim_is() -> None:
    text = "Well.\n\n- **shop/none** fails with 44 % [1].\n"
    checked = check(text, [reference()])
    assert [(one.kind, text[one.start : one.end]) for one in checked.marks] == [
        (MarkKind.NAME, "shop/none"),
        (MarkKind.NUMBER, "44 %"),
    ]
    assert checked.text == text


# --- how sure ---------------------------------------------------------------------------------


def confidence(text: str, *references: Reference) -> tuple[Confidence, str]:
    checked = check(text, references)
    return checked.confidence, checked.confidence_reason


@pytest.mark.parametrize(
    ("text", "references", "expected", "reason"),
    [
        ("All is well.", [], Confidence.NOT_ENOUGH_DATA, "No tool was asked"),
        (
            "All is well.",
            [reference(status=ToolStatus.TIMEOUT)],
            Confidence.NOT_ENOUGH_DATA,
            "None of the tools",
        ),
        ("", [reference()], Confidence.NOT_ENOUGH_DATA, "There is no answer"),
        ("Not enough data to tell.", [reference()], Confidence.NOT_ENOUGH_DATA, "do not show it"),
        ("3 pods fail [1].", [reference()], Confidence.HIGH, "it rests on one result"),
        ("3 pods fail.", [reference()], Confidence.LOW, "No result is cited"),
        (
            "3 pods fail [1].",
            [reference(coverage="9 of 10 clusters answered")],
            Confidence.MEDIUM,
            "1 of 10 clusters did not answer",
        ),
        (
            "3 pods fail [1].",
            [reference(coverage="8 of 10 clusters answered; offline: a, b")],
            Confidence.HIGH,
            "one result",
        ),
        (
            "3 pods fail [1].",
            [reference(coverage="3 of 10 clusters answered; offline: a, b and 1 more")],
            Confidence.LOW,
            "4 of 7 clusters did not answer",
        ),
        ("shop/a broke [1].", [reference(RANKED.format(0.7, 0.2))], Confidence.HIGH, "rests on"),
        (
            "shop/a broke [1].",
            [reference(RANKED.format(0.5, 0.2))],
            Confidence.MEDIUM,
            "The likeliest cause scores 0.5",
        ),
        (
            "shop/a broke [1].",
            [reference(RANKED.format(0.7, 0.68))],
            Confidence.MEDIUM,
            "Two causes score alike, 0.7 and 0.68",
        ),
        (
            "shop/a broke [1].",
            [reference(RANKED.format(0.3, 0.2))],
            Confidence.LOW,
            "The likeliest cause scores only 0.3",
        ),
        (
            "3 pods of shop/cart fail, 3 of them. 3 fail. 3 fail. 3 fail. 3 fail, 99 not [1].",
            [reference()],
            Confidence.MEDIUM,
            "1 claim that no result supports",
        ),
        (
            "shop/x1 and 99 pods fail [1].",
            [reference()],
            Confidence.LOW,
            "2 claims that no result supports",
        ),
    ],
)
def test_confidence(
    text: str, references: list[Reference], expected: Confidence, reason: str
) -> None:
    found, why = confidence(text, *references)
    assert reason in why
    assert found is expected


def test_sentences_end_after_their_reference() -> None:
    text = "One fails. [1] Two fail! [2][3]\nThree of `a. b`?"
    masked, codes = without_code(text)
    assert [code.inside for code in codes] == ["a. b"]
    found = list(sentences_in(masked, codes))
    assert [one.cited for one in found] == [(1,), (2, 3), ()]
    assert found[2].is_question
    assert [code.inside for code in found[2].codes] == ["a. b"]
