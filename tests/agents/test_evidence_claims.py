"""The checker of claims against a labelled set: true claims stay unmarked, false ones do not."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.evidence import check
from aiops_mcp.models.chat import MarkKind, Reference, ToolStatus

DATA = Path(__file__).parents[1] / "data" / "evidence"
DIGESTS: dict[str, list[dict[str, Any]]] = json.loads((DATA / "digests.json").read_text())
CLAIMS: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "claims.yaml").read_text())


def references_of(incident: str) -> list[Reference]:
    return [
        Reference(
            number=number,
            tool_call_id=f"c{number}",
            tool=one["tool"],
            arguments=one["arguments"],
            status=ToolStatus.SUCCESS,
            headline=one["text"].split("\n")[0],
            clusters=tuple(one["clusters"]),
            coverage=one["coverage"],
            as_of=one["as_of"],
            text=one["text"],
        )
        for number, one in enumerate(DIGESTS[incident], 1)
    ]


def unmarked(claim: str) -> tuple[str, int, int]:
    """A false claim without its marks, and where the false part is."""
    start = claim.index("<<")
    end = claim.index(">>") - 2
    return claim.replace("<<", "").replace(">>", ""), start, end


@pytest.mark.parametrize("incident", CLAIMS)
def test_no_true_claim_is_marked(incident: str) -> None:
    references, told = references_of(incident), CLAIMS[incident]
    marked = {
        claim: [mark.text for mark in checked.marks]
        for claim in told["stands"]
        if (checked := check(claim, references, asked=told["asked"])).marks
    }
    assert marked == {}


def test_false_claims_are_found() -> None:
    found, missed = 0, list[str]()
    for incident, told in CLAIMS.items():
        references = references_of(incident)
        for claim in told["wrong"]:
            text, start, end = unmarked(claim)
            marks = check(text, references, asked=told["asked"]).marks
            if any(mark.start < end and mark.end > start for mark in marks):
                found += 1
            else:
                missed.append(claim)
    assert found / (found + len(missed)) >= 0.95, missed


def test_the_set_is_large_enough() -> None:
    assert sum(len(told["stands"]) for told in CLAIMS.values()) >= 200
    assert sum(len(told["wrong"]) for told in CLAIMS.values()) >= 120


def test_true_claims_together_are_not_marked_either() -> None:
    """A whole answer: claims in one text, with its lists and paragraphs."""
    for incident, told in CLAIMS.items():
        text = "\n\n".join(told["stands"])
        checked = check(text, references_of(incident), asked=told["asked"])
        assert [(incident, mark.text) for mark in checked.marks] == []


def test_kinds_and_places_of_marks() -> None:
    text = (
        "prod-paris has KubeDiskExploding since 09:44 with 87% of disks, caused by heat. See [77]."
    )
    marks = check(text, references_of("bad-rollout")).marks
    assert [(mark.kind, mark.text) for mark in marks] == [
        (MarkKind.NAME, "prod-paris"),
        (MarkKind.NAME, "KubeDiskExploding"),
        (MarkKind.TIME, "09:44"),
        (MarkKind.NUMBER, "87%"),
        (MarkKind.CAUSE, "caused by"),
        (MarkKind.REFERENCE, "[77]"),
    ]
    assert all(text[mark.start : mark.end] == mark.text for mark in marks)
