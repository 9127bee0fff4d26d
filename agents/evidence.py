"""Whether an answer stands on what the tools gave: marks what no result supports. Pure and fast.

Precision first: a mark on a true claim costs more trust than a false claim that goes unmarked. So
only what can be told to be a number, name, time or stated cause is compared; advice, thresholds,
code, versions and what the user said are left alone. It must not know a tool by name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agents.evidence_causes import causes_in
from agents.evidence_claims import Evidence, findings_in
from agents.evidence_confidence import confidence_of
from agents.evidence_text import Cite, cites_in, sentences_in, without_code
from aiops_mcp.models.chat import Confidence, Mark, MarkKind, Reference

__all__ = ["Checked", "causes_in", "check"]


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer's text with the marks on it and how sure one may be of it."""

    text: str
    marks: tuple[Mark, ...]
    confidence: Confidence
    confidence_reason: str


def check(text: str, references: Sequence[Reference], *, asked: str = "") -> Checked:
    """Compare each claim of an answer with the results; ``asked`` is what the user said.

    A claim is held against the results that its sentence cites, then against all.
    """
    masked, codes = without_code(text)
    evidence = Evidence(references, asked)
    sentences = tuple(sentences_in(masked, codes))
    marks = [*_bad_cites(cites_in(masked), references)]
    claims = len(marks)
    for sentence in sentences:
        found, count = findings_in(sentence, evidence)
        claims += count
        marks += (
            Mark(
                kind=one.kind,
                start=one.start,
                end=one.end,
                text=text[one.start : one.end],
                reason=one.reason,
            )
            for one in found
        )
    kept = tuple(_apart(marks))
    confidence, reason = confidence_of(text, references, kept, claims, sentences)
    return Checked(text, kept, confidence, reason)


def _bad_cites(cites: Iterable[Cite], references: Sequence[Reference]) -> Iterator[Mark]:
    known = {one.number for one in references}
    for cite in cites:
        missing = [n for n in cite.numbers if n not in known]
        if missing:
            name = f"[{missing[0]}]"
            yield Mark(
                kind=MarkKind.REFERENCE,
                start=cite.start,
                end=cite.end,
                text=name,
                reason=f"There is no result {name}.",
            )


def _apart(marks: Iterable[Mark]) -> list[Mark]:
    """In the order of the text, none over another."""
    kept: list[Mark] = []
    for one in sorted(marks, key=lambda mark: (mark.start, -mark.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept
