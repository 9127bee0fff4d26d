"""Answers scored beside what their scenarios ask for."""

import pytest

from agents.evaluate.naming import causes_told, is_cause, place_of_cause
from agents.evaluate.scenario import Budget, Fact, Scenario, WantedCause
from agents.evaluate.scoring import Spent, evidence_of, failed, over_budget, score
from agents.evaluate.summary import share, spread, spreads, summarise, unmet
from agents.evaluate.tables import (
    Result,
    against,
    document,
    headline,
    markdown,
    model_table,
    scenario_table,
)
from aiops_mcp.models.chat import (
    Answer,
    AnswerMode,
    Confidence,
    Mark,
    MarkKind,
    NamedCause,
    Reference,
    ToolStatus,
)

CART = WantedCause(frozenset({"cart", "shop/cart"}), "prod", "prod: shop/cart")
CARD = WantedCause(frozenset({"node-1", "node-1/3"}), "ml", "ml: node-1/3")


def _reference(number=1, text="shop/cart fails", status=ToolStatus.SUCCESS) -> Reference:
    return Reference(
        number=number,
        tool_call_id=f"c{number}",
        tool="triage",
        status=status,
        headline="1 problem",
        text=text,
    )


def _cause(component="shop/cart", cluster="prod", reference=1) -> NamedCause:
    return NamedCause(cluster_name=cluster, component=component, reference=reference)


def _answer(text="shop/cart in prod fails [1].", **fields) -> Answer:
    return Answer(
        **{
            "text": text,
            "mode": AnswerMode.TRIAGE,
            "references": (_reference(),),
            "causes": (_cause(),),
            "confidence": Confidence.HIGH,
            **fields,
        }
    )


def _score(scenario=None, answer=None, called=("triage",), spent=None):
    asked = scenario or Scenario("s", "Why?", causes=(CART,))
    return score(asked, answer or _answer(), called, spent or Spent())


def test_a_right_answer():
    one = _score(
        Scenario(
            "s",
            "Why?",
            causes=(CART,),
            must=(Fact(("cart",)),),
            should=("get_alerts|triage",),
            budget=Budget(calls=1),
        ),
        spent=Spent(calls=1, tokens=10, steps=2),
    )
    assert (one.cause_first, one.cause_in_three, one.clean) == (True, True, None)
    assert (one.facts, one.false_claims, one.evidence.share) == (1.0, (), 1.0)
    assert (one.named, one.mode, one.confidence) == (("prod: shop/cart",), "TRIAGE", "HIGH")
    assert one.passed
    assert against(one) == []


def test_the_cause_among_three_and_beyond():
    others = [_cause("shop/a"), _cause("shop/b"), _cause("shop/c")]
    third = _score(answer=_answer(causes=(*others[:2], _cause())))
    assert (third.cause_first, third.cause_in_three) == (False, True)
    fourth = _score(answer=_answer(causes=(*others, _cause())))
    assert (fourth.cause_first, fourth.cause_in_three) == (False, False)
    assert "cause not named" in against(fourth)
    elsewhere = _score(answer=_answer(causes=(_cause(cluster="stage"),)))
    assert elsewhere.cause_in_three is False


def test_two_causes_first_is_any_and_three_is_all():
    both = Scenario("s", "Why?", causes=(CART, CARD))
    one = _score(both, _answer(causes=(_cause("node-1", "ml"),)))
    assert (one.cause_first, one.cause_in_three) == (True, False)
    two = _score(both, _answer(causes=(_cause("node-1/3", "ml"), _cause())))
    assert (two.cause_first, two.cause_in_three) == (True, True)


def test_a_healthy_fleet_is_clean_where_no_cause_is_named():
    quiet = Scenario("s", "Well?", is_healthy=True)
    clean = _score(quiet, _answer("All is well [1].", causes=()))
    assert (clean.clean, clean.cause_first) == (True, None)
    loud = _score(quiet)
    assert loud.clean is False
    assert against(loud) == ["names prod: shop/cart where nothing is wrong"]


def test_false_claims_are_marks_and_what_must_not_be_said():
    marks = (
        Mark(kind=MarkKind.NUMBER, start=0, end=1, text="42 %", reason="r"),
        Mark(kind=MarkKind.CAUSE, start=0, end=1, text="because of dns", reason="r"),
    )
    one = _score(
        Scenario("s", "Why?", must_not=(Fact(("all is well",)), Fact(("absent",)))),
        _answer("All is well [1].", marks=marks),
    )
    assert one.false_claims == ("number: 42 %", "said: all is well")
    assert one.evidence.faults == ("a cause without a reference: because of dns",)
    assert one.evidence.share == pytest.approx(1 - 1 / 3)


def test_evidence():
    assert evidence_of(_answer()).share == 1.0
    assert evidence_of(_answer("x [1] and [7]")).faults == ("[7] is no result",)
    refused = _reference(status=ToolStatus.ERROR)
    assert evidence_of(_answer(references=(refused,))).faults == ("[1] is a call that failed",)
    assert evidence_of(_answer(references=(refused,), causes=())).faults == ()
    other = _answer(references=(_reference(text="all quiet"),))
    assert evidence_of(other).faults == ("[1] does not show shop/cart",)
    without = _answer(causes=(_cause(reference=None),))
    assert evidence_of(without).faults == ("shop/cart has no reference",)
    assert evidence_of(_answer("It fails.", causes=())).faults == ("it cites nothing",)
    assert evidence_of(_answer("Hello.", causes=(), references=())).share is None


def test_tools_orders_and_budget():
    scenario = Scenario(
        "s",
        "Why?",
        should=("query_logs", "triage|get_alerts"),
        should_not=("remove_cluster",),
        must_notice_orders=True,
        budget=Budget(calls=2, tokens=5, steps=1, seconds=0.5),
    )
    spent = Spent(calls=3, tokens=6, steps=1, seconds=0.7)
    one = _score(scenario, called=("get_alerts", "remove_cluster", "remove_cluster"), spent=spent)
    assert one.tools_missing == ("query_logs",)
    assert one.tools_forbidden == ("remove_cluster",)
    assert one.noticed is False
    assert one.over_budget == ("calls: 3 of 2", "tokens: 6 of 5", "seconds: 0.7 of 0.5")
    assert not one.passed
    said = _score(scenario, _answer(notices=("A log line tried to give orders.",)))
    assert said.noticed is True
    assert over_budget(Budget(calls=3), spent) == ()


def test_no_answer_misses_everything():
    scenario = Scenario("s", "Why?", causes=(CART,), must=(Fact(("cart",)),))
    one = failed(scenario, "ValueError: no", Spent(calls=4))
    assert (one.cause_first, one.cause_in_three, one.facts) == (False, False, 0.0)
    assert (one.spent.calls, one.passed, against(one)) == (4, False, ["ValueError: no"])
    assert failed(Scenario("h", "?", is_healthy=True), "no").clean is False


# --- what a model's prose names ------------------------------------------------------------------

SHOP = Scenario(
    "s",
    "Why?",
    causes=(WantedCause(frozenset({"recommendation", "shop/recommendation"}), "prod", ""),),
    affected=("shop/recommendation", "shop/frontend", "shop/cart"),
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The root cause is recommendation in prod, killed for memory [1].", 1),
        ("frontend fails because of recommendation [1].", 1),
        ("Errors of frontend are caused by recommendation, not by cart.", 1),
        ("recommendation is the cause of the errors of frontend.", 1),
        ("The cause is frontend. recommendation explains some of it.", 2),
        ("frontend fails. recommendation restarts.", 0),
        ("Nothing is wrong; no cause was found in recommendation.", 0),
        ("The cause is recommendation-ng.", 0),
    ],
)
def test_causes_that_prose_names(text, told):
    answer = _answer(text, mode=AnswerMode.MODEL, causes=(_cause("shop/cart"),))
    named = causes_told(answer, SHOP)
    assert place_of_cause(named, SHOP.causes[0]) == told


def test_what_tools_ranked_counts_only_when_the_prose_says_so():
    answer = _answer("All is well [1].", mode=AnswerMode.MODEL)
    assert causes_told(answer, Scenario("h", "?", is_healthy=True)) == ()
    blamed = _answer("It fails because of shop/cart [1].", mode=AnswerMode.MODEL)
    (one,) = causes_told(blamed, Scenario("h", "?", is_healthy=True))
    assert one.component == "shop/cart"


@pytest.mark.parametrize(
    ("told", "right"),
    [
        (("shop/cart", "prod"), True),
        (("cart", "prod"), True),
        (("shop/cart", ""), True),
        (("prod/shop/cart", "prod"), True),
        (("cart.prod", "prod"), True),
        (("cart.prod", "stage"), True),
        (("cart.stage", "stage"), False),
        (("shop/cart-7d9f8b6c5-x2x7z", "prod"), True),
        (("shop/cart-0", "prod"), True),
        (("shop/cart-cache", "prod"), False),
        (("shop/cart", "stage"), False),
        (("shop/checkout", "prod"), False),
    ],
)
def test_which_names_are_the_cause(told, right):
    component, cluster = told
    assert is_cause(_cause(component, cluster), CART) is right


def test_another_card_of_the_node_is_not_the_cause():
    assert is_cause(_cause("node-1/3", "ml"), CARD)
    assert is_cause(_cause("node-1", "ml"), CARD)
    assert not is_cause(_cause("node-1/5", "ml"), CARD)


# --- figures -------------------------------------------------------------------------------------


def _scores():
    wrong = _score(answer=_answer(causes=()), spent=Spent(calls=3, tokens=100, seconds=2.0))
    right = _score(spent=Spent(calls=1, tokens=50, seconds=1.0))
    quiet = _score(Scenario("h", "?", is_healthy=True), _answer("Well [1].", causes=()))
    return [wrong, right, quiet]


def test_a_summary():
    wrong, right, quiet = _scores()
    one = summarise([right, failed(Scenario("b", "?", causes=(CART,)), "no"), quiet])
    assert (one.scenarios, one.with_cause, one.healthy) == (3, 2, 1)
    assert (one.cause_first, one.cause_in_three, one.healthy_clean) == (0.5, 0.5, 1.0)
    assert (one.calls, one.tokens, one.seconds, one.failed) == (1, 50, 1.0, 1)
    assert one.facts is None
    repeated = summarise([wrong, right, right, right], repeats=2)
    assert (repeated.scenarios, repeated.cause_first, repeated.calls) == (1, 0.75, 3)
    empty = summarise([])
    assert (empty.scenarios, empty.cause_first, empty.calls) == (0, None, 0)


def test_mean_and_spread():
    one = spread([1.0, 2.0, 3.0])
    assert (one.mean, one.deviation, one.least, one.most) == (2.0, 1.0, 1.0, 3.0)
    assert spread([4.0]).deviation == 0.0
    assert share([None, True, False, None]) == 0.5
    assert share([]) is None
    wrong, right, _ = _scores()
    found = spreads([[wrong], [right]])
    assert (found["cause_first"].mean, found["calls"].most) == (0.5, 3.0)
    assert "healthy_clean" not in found


def test_what_is_required():
    wrong, right, _ = _scores()
    one = summarise([wrong, right], repeats=2)
    assert unmet(one, {"cause_first": 0.5, "calls": 2}) == ()
    assert unmet(one, {"cause_first": 0.75, "tokens": 10, "healthy_clean": 1}) == (
        "cause_first is 0.5, required >= 0.75",
        "tokens is 75, required <= 10",
        "healthy_clean is not measured, required >= 1",
    )


def test_tables():
    wrong, right, quiet = _scores()
    passes = ((wrong, quiet), (right, quiet))
    one = Result(
        "model-a",
        summarise([score for each in passes for score in each], repeats=2),
        passes,
        spreads(passes),
        ("cause_first is 0.5, required >= 0.75",),
        is_required=True,
    )
    table = scenario_table(one)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["s"]["cause"] == "first 1/2"
    assert rows["h"]["healthy"] == "clean 2/2"
    assert rows["s"]["calls"] == 2.0
    assert headline(one).startswith("model-a: 2 scenarios x 2: cause first 50 %")
    (row,) = model_table([one]).rows
    assert row[:3] == ("model-a", 2, "50 % ±71")
    assert row[-1] == "no"
    (row,) = model_table([Result("m", one.summary)]).rows
    assert row[-1] is None
    whole = document([one, one], ["odd"])
    assert whole["summary"]["cause_first"] == 0.5
    assert (whole["answered_by"], whole["warnings"], len(whole["rows"])) == ("model-a", ["odd"], 4)
    assert whole["rows"][0]["against"] == ["cause not named"]
    assert [each["answered_by"] for each in whole["others"]] == ["model-a"]
    single = scenario_table(Result("m", summarise([right]), ((right,),)))
    assert dict(zip(single.columns, single.rows[0], strict=True))["cause"] == "first"


def test_markdown_escapes_bars():
    one = Result("a|b", summarise(_scores()[:1]), ())
    text = markdown(model_table([one]))
    assert text.splitlines()[2].startswith("| a\\|b | 1 | 0 % |")
