"""Which cause stands first where rankings and triage say different things."""

from typing import Any

import pytest

from agents.evidence import causes_in
from aiops_mcp.models.chat import NamedCause, Reference, ToolStatus

RANKED = ("score", "component", "what", "for", "against")
SEEN = ("severity", "cluster", "component", "trouble")


class Given:
    """Results as an answer has them."""

    def __init__(self) -> None:
        self.references: list[Reference] = []
        self.payloads: dict[int, dict[str, Any]] = {}

    def ranking(self, cluster: str, *rows: tuple[Any, ...], **arguments: str) -> "Given":
        headline = f"Most likely cause on {cluster}: {rows[0][1] if rows else 'none'}."
        filled = [[*row, *(None for _ in range(len(RANKED) - len(row)))] for row in rows]
        return self._add("analyze_root_cause", arguments, headline, RANKED, filled)

    def triage(self, *rows: tuple[Any, ...]) -> "Given":
        return self._add("triage", {}, f"{len(rows)} problems.", SEEN, [list(row) for row in rows])

    def _add(
        self,
        tool: str,
        arguments: dict[str, str],
        headline: str,
        columns: tuple[str, ...],
        rows: list[list[Any]],
        status: ToolStatus = ToolStatus.SUCCESS,
    ) -> "Given":
        number = len(self.references) + 1
        self.references.append(
            Reference(
                number=number,
                tool_call_id=f"c{number}",
                tool=tool,
                arguments=arguments,
                status=status,
                headline=headline,
            )
        )
        self.payloads[number] = {"headline": headline, "columns": columns, "rows": rows}
        return self

    def causes(self) -> list[tuple[str, str]]:
        return [(one.cluster_name, one.component) for one in self.whole()]

    def whole(self) -> tuple[NamedCause, ...]:
        return causes_in(self.references, self.payloads)


def test_without_results_there_are_none() -> None:
    assert causes_in([], {}) == ()
    assert Given().triage().causes() == []
    assert Given().ranking("east").causes() == []


def test_a_cause_says_where_it_stands() -> None:
    given = Given().triage(("CRITICAL", "east", "shop/pay", "errors"))
    given.ranking("east", (0.7, "shop/db", "«it is slow, as it seems»"), (0.4, "shop/pay"))
    assert given.whole() == (
        NamedCause(
            cluster_name="east",
            component="shop/db",
            what="it is slow, as it seems",
            score=0.7,
            reference=2,
        ),
        NamedCause(cluster_name="east", component="shop/pay", score=0.4, reference=2),
    )


def test_triage_names_what_no_ranking_looked_at() -> None:
    given = Given().triage(
        ("CRITICAL", "east +1", "shop/pay", "errors"), ("WARNING", "west", "node-1", "node away")
    )
    given.ranking("west", (0.8, "node-1"))
    assert given.causes() == [("east", "shop/pay"), ("west", "node-1")]
    first = given.whole()[0]
    assert (first.what, first.score, first.reference) == ("errors", None, 1)


def test_worst_clusters_first_then_their_second_causes() -> None:
    given = Given().triage(
        ("CRITICAL", "west", "a", "node away"), ("WARNING", "east", "b", "storage")
    )
    given.ranking("east", (0.9, "b"), (0.5, "c")).ranking("west", (0.6, "a"), (0.55, "d"))
    assert given.causes() == [("west", "a"), ("east", "b"), ("west", "d"), ("east", "c")]


@pytest.mark.parametrize(
    ("trouble", "score", "against", "leads"),
    [
        ("storage", 0.61, None, True),
        ("errors", 0.61, None, False),
        ("storage", 0.5, None, False),
        ("storage", 0.61, "sync, on which it depends, explains it", False),
    ],
)
def test_what_broke_leads_what_scores_hardly_more(
    trouble: str, score: float, against: str | None, leads: bool
) -> None:
    given = Given().triage(("WARNING", "east", "claim", trouble))
    given.ranking("east", (0.65, "sync"), (score, "claim", None, None, against))
    assert given.causes()[0] == ("east", "claim" if leads else "sync")


@pytest.mark.parametrize(
    ("evidence", "leads"),
    [
        ("those that call it wait for it (shop/a, shop/b); calls: its own time is 7 ms", True),
        ("those that call it wait for it (shop/b); calls: its own time is 7 ms", False),
        ("those that call it wait for it (shop/a)", False),
    ],
)
def test_who_is_waited_for_leads_who_waits(evidence: str, leads: bool) -> None:
    given = Given().ranking("east", (0.77, "shop/a"), (0.77, "shop/db", None, evidence))
    assert given.causes()[0] == ("east", "shop/db" if leads else "shop/a")


def test_of_several_troubles_the_one_asked_about_leads() -> None:
    given = Given().ranking("east", (0.9, "node-1"), (0.4, "shop/a"))
    given.ranking("east", (0.7, "shop/a"), (0.2, "node-1"), component="shop/a")
    assert given.causes()[0] == ("east", "shop/a")


def test_what_reaches_further_than_was_asked_leads() -> None:
    given = Given().ranking("east", (0.77, "shop/db"), (0.7, "shop/a"))
    given.ranking("east", (0.82, "shop/a"), (0.77, "shop/db"), alert="Slow")
    assert given.causes()[0] == ("east", "shop/db")


def test_a_cause_in_another_cluster_is_followed_there() -> None:
    given = Given().ranking("west", (0.7, "pay.east"), (0.6, "shop/a"))
    given.ranking("east", (0.8, "shop/pay"))
    assert given.causes() == [("east", "shop/pay"), ("west", "shop/a")]


def test_each_component_once_and_five_at_most() -> None:
    rows = [(0.9 - n / 10, f"shop/{n}") for n in range(7)]
    given = Given().ranking("east", (0.95, "shop/0"), *rows)
    assert given.causes() == [("east", f"shop/{n}") for n in range(5)]


def test_what_failed_names_nothing() -> None:
    given = Given()
    given._add(
        "triage", {}, "no", SEEN, [["CRITICAL", "east", "a", "errors"]], status=ToolStatus.ERROR
    )
    assert given.causes() == []
