"""`aiops eval`: replayed in whole, run without a model in small, and what it says of odd wishes."""

import json
from pathlib import Path

import pytest
import yaml

from agents.conversation import AnswerDelta, Answered, Failed
from agents.evaluate import command
from agents.evaluate.asking import Asked, Watch, ask, question_of
from agents.evaluate.processes import run_all
from agents.evaluate.recording import read_recordings
from agents.evaluate.running import Plan, Row, builtin_folder, grouped
from agents.evaluate.scenario import Fact, Said, Scenario
from agents.evaluate.scoring import failed
from agents.evaluate.summary import summarise
from agents.evaluate.tables import Result
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.persona_files import builtin_personas
from aiops_mcp.models.chat import Answer, AnswerMode
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.incident import read_incidents

SUMMARY = {
    *("scenarios", "cause_first", "cause_in_three", "healthy_clean"),
    *("false_claims", "calls", "tokens", "seconds"),
}
PERSONAS = {one.id: one for one in builtin_personas()}


def _plan(**fields) -> Plan:
    return Plan(Settings(), read_incidents(None), PERSONAS, **fields)


# --- recordings ----------------------------------------------------------------------------------


def test_all_recordings_are_played_without_model_and_clusters(aiops):
    ended = aiops("eval", "--replay", "--json")
    said = ended.json()
    recorded = read_recordings(builtin_folder("recordings"))
    assert said["answered_by"] == "replay"
    assert {row["scenario"] for row in said["rows"]} == set(recorded)
    assert len(recorded) >= 12
    wrong = {row["scenario"]: row["against"] for row in said["rows"] if not row["passed"]}
    assert wrong == {}, wrong
    summary = said["summary"]
    assert summary["scenarios"] == len(recorded)
    assert (summary["cause_first"], summary["healthy_clean"]) == (1.0, 1.0)
    assert (summary["false_claims"], summary["failed"]) == (0, 0)
    assert summary["calls"] >= 2 * len(recorded)
    assert summary["tokens"] > 10_000
    assert {row["mode"] for row in said["rows"]} == {"MODEL"}
    assert f"[{len(recorded)}/{len(recorded)}]" in ended.err


def test_recordings_are_small_and_hold_no_secrets():
    folder = builtin_folder("recordings")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_500_000
    whole = json.dumps([repr(one) for one in read_recordings(folder).values()])
    for secret in ("eyJhbGciOiJIUzI1NiJ9", "not-a-real-password-8841", "AKIAIOSFODNN7EXAMPLE"):
        assert secret not in whole


def test_what_is_required_decides_the_exit_code(aiops):
    met = aiops("eval", "--replay", "--only", "oom-*", "--require", "cause_first=1,calls=99")
    assert met.code == 0
    missed = aiops("eval", "--replay", "--only", "oom-*", "--require", "calls=1", "--json")
    assert missed.code == 1
    (unmet,) = json.loads(missed.out)["unmet"]
    assert unmet.startswith("calls is ")


def test_a_terminal_gets_tables_and_answers(aiops):
    ended = aiops("eval", "--replay", "--table", "--answers", "--only", "oom-loop-cluster")
    assert ended.code == 0
    assert "oom-loop-cluster" in ended.out
    assert "shop/recommendation" in ended.out
    assert "--- oom-loop-cluster" in ended.out


def test_models_are_compared_with_earlier_runs_and_on_a_page(aiops, tmp_path):
    first = tmp_path / "first.json"
    first.write_text(aiops("eval", "--replay", "--only", "oom-*", "--json").out)
    page = tmp_path / "page.md"
    page.write_text(f"# Ours\n\n{command.MARKS[0]}\nold\n{command.MARKS[1]}\n\nEnd.\n")
    arguments = ("eval", "--replay", "--only", "oom-*", "--beside", str(first), "--into", str(page))
    said = aiops(*arguments, "--repeat", "2", "--json").json()
    assert said["others"][0]["answered_by"] == "replay (first)"
    assert said["summary"]["repeats"] == 2
    assert said["spread"]["cause_first"] == {"mean": 1, "deviation": 0, "least": 1, "most": 1}
    text = page.read_text()
    assert text.startswith("# Ours\n")
    assert text.endswith("\n\nEnd.\n")
    assert "old" not in text
    assert "| replay (first) |" in text
    assert "| oom-loop-fleet | first 2/2 |" in text
    with pytest.raises(InputError, match="is no result"):
        command.evaluate(
            command.Wanted(replay=True, only=("oom-*",), beside=(page,)),
            Settings(),
            say=lambda _: None,
        )


# --- live ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(180)  # whole fleets are asked
def test_a_folder_of_incidents_is_asked_of_without_a_model(aiops, tmp_path):
    incident = yaml.safe_load(
        (Path(command.__file__).parent / "incidents/vdu-crash.yaml").read_text()
    )
    incident["name"] = "brought-along"
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(incident))
    (tmp_path / "two.yaml").write_text("effects: nonsense")
    given = ("eval", "--no-model", "--json", "--incidents", str(tmp_path))
    listed = [row[0] for row in aiops(*given, "--list").json()["rows"]]
    assert listed == ["brought-along-fleet", "brought-along-cluster", "control-healthy"]
    said = aiops(*given, "--only", "*-cluster").json()
    assert set(said["summary"]) >= SUMMARY
    (row,) = said["rows"]
    assert (row["scenario"], row["cause_first"]) == ("brought-along-cluster", True)
    assert row["spent"]["calls"] >= 2
    assert (said["summary"]["scenarios"], said["summary"]["tokens"]) == (1, 0)
    assert "two.yaml is left out" in said["warnings"][0]


@pytest.mark.slow
@pytest.mark.timeout(180)  # whole fleets are asked
def test_recordings_made_without_a_model_are_played(aiops, tmp_path):
    scenario = {"name": "calm", "question": "Is dev-dublin well?", "clusters": "dev-dublin"}
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios/calm.yaml").write_text(yaml.safe_dump(scenario))
    given = ("--scenarios", str(tmp_path / "scenarios"), "--json")
    kept = str(tmp_path / "kept")
    live = aiops("eval", "--no-model", "--record", kept, *given).json()
    played = aiops("eval", "--recordings", kept, *given).json()
    assert live["rows"][0]["passed"] is played["rows"][0]["passed"] is True
    assert live["rows"][0]["spent"]["calls"] == played["rows"][0]["spent"]["calls"] > 0
    assert played["rows"][0]["mode"] == "TRIAGE"


# --- one question --------------------------------------------------------------------------------


class _Answerer:
    def __init__(self, *steps):
        self._steps = steps

    async def answer(self, question, *, consent=None):
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            yield step


WATCH = Watch(lambda: ["triage"], lambda: 2)
ANSWER = Answer(text="All is well.", mode=AnswerMode.MODEL, prompt_tokens=7)
WELL = Scenario("s", "Well?", is_healthy=True, must=(Fact(("well",)),))


async def test_a_question_is_asked_as_the_scenario_says():
    scenario = Scenario("s", "Why?", clusters=("a",), history=(Said("user", "Hm"),))
    question = question_of(scenario, PERSONAS["default"])
    assert (question.text, question.clusters) == ("Why?", ("a",))
    assert [(turn.role, turn.content) for turn in question.history] == [("user", "Hm")]


async def test_an_answer_is_scored():
    asked = await ask(
        WELL, _Answerer(AnswerDelta("All"), Answered(ANSWER)), PERSONAS["default"], WATCH
    )
    assert asked.answer == ANSWER
    assert (asked.score.clean, asked.score.facts, asked.score.error) == (True, 1.0, "")
    assert (asked.score.spent.calls, asked.score.spent.steps) == (1, 2)
    assert asked.score.spent.tokens == 7


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ((AnswerDelta("A"), ValueError("a defect")), "ValueError: a defect"),
        ((Failed("MODEL_NOT_AVAILABLE", "gone"),), "MODEL_NOT_AVAILABLE: gone"),
        ((AnswerDelta("A"),), "the answer has no end"),
    ],
)
async def test_what_goes_wrong_is_a_row(steps, error):
    asked = await ask(WELL, _Answerer(*steps), PERSONAS["default"], WATCH)
    assert (asked.answer, asked.score.error, asked.score.clean) == (None, error, False)


# --- groups and processes ------------------------------------------------------------------------


def test_scenarios_in_one_fleet_are_asked_together():
    scenarios = [
        Scenario("a", "?", incidents=("oom-loop",)),
        Scenario("b", "?"),
        Scenario("c", "?", incidents=("oom-loop",)),
        Scenario("d", "?", hours_before=7),
        Scenario("e", "?", away=("tower-17",)),
    ]
    assert [[one.name for one in group] for group in grouped(scenarios)] == [
        ["a", "c"],
        ["b"],
        ["d"],
        ["e"],
    ]


def _faulty(jobs: int) -> list[Row]:
    rows: list[Row] = []
    groups = [
        (Scenario("a", "?", fault="there is no incident x"),),
        (Scenario("b", "?", away=("no-such-cluster",)),),
        (Scenario("c", "?", incidents=("no-such-incident",)),),
    ]
    run_all(_plan(repeat=2), groups, jobs=jobs, tell=rows.append)
    return rows


@pytest.mark.timeout(120)  # two processes that load the whole application
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_cannot_be_asked_is_a_row_in_every_pass(jobs):
    rows = _faulty(jobs)
    errors = sorted((row.asked.score.scenario, row.number) for row in rows)
    assert errors == [(name, number) for name in "abc" for number in (0, 1)]
    said = {row.asked.score.scenario: row.asked.score.error for row in rows}
    assert said["a"] == "there is no incident x"
    assert "no cluster no-such-cluster" in said["b"]
    assert "No incident is called" in said["c"]


def test_a_persona_that_there_is_not(tmp_path):
    recordings = read_recordings(builtin_folder("recordings"))
    name = next(iter(recordings))
    rows: list[Row] = []
    plan = _plan(recordings=recordings)
    run_all(plan, [(Scenario(name, "?", persona="nobody"),)], jobs=1, tell=rows.append)
    assert "there is no persona nobody" in rows[0].asked.score.error


def test_an_interrupt_keeps_what_is_done(monkeypatch, tmp_path):
    def interrupted(plan, groups, *, jobs, tell):
        tell(Row(0, Asked(failed(groups[0][0], "no"))))
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_all", interrupted)
    said: list[str] = []
    outcome = command.evaluate(command.Wanted(replay=True), Settings(), say=said.append)
    assert outcome.interrupted
    assert len(outcome.results[0].scores) == 1
    assert command.as_json(outcome, answers=True)["interrupted"] is True
    assert "interrupted; this is what was done until then" in said


# --- wishes --------------------------------------------------------------------------------------


def test_listing(aiops):
    said = aiops("eval", "--list", "--only", "gpu-*", "--json").json()
    assert said["headline"].endswith("scenarios.")
    assert all(row[0].startswith("gpu-") for row in said["rows"])
    rows = {row[0]: row for row in said["rows"]}
    assert rows["gpu-xid-79-cluster"][3] == "ml-oregon: ml-oregon-gpu-1/3"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("eval",), "No model is configured."),
        (("eval", "--replay", "--only", "nothing-*"), "No scenario is called nothing-*."),
        (("eval", "--replay", "--only", "alert-named"), "None of the scenarios was recorded."),
        (("eval", "--replay", "--require", "beauty=1"), "'beauty' is no figure."),
        (("eval", "--replay", "--require", "calls=few"), "'calls=few' has no number."),
    ],
)
def test_wishes_that_cannot_be_met(aiops, arguments, message):
    ended = aiops(*arguments, "--json", AIOPS_MODEL_URLS="")
    assert ended.code == 2
    assert ended.error()["message"] == message


def test_folders_that_hold_nothing(aiops, tmp_path):
    for option in ("--scenarios", "--incidents", "--recordings"):
        ended = aiops("eval", "--no-model", option, str(tmp_path), "--json")
        assert ended.code == 2
        assert str(tmp_path) in ended.error()["message"]


def test_required_shares():
    assert command.required_shares(None) == {}
    assert command.required_shares("cause-first=0.5, min_calls=3") == {
        "cause_first": 0.5,
        "calls": 3.0,
    }


def test_a_page_is_begun(tmp_path):
    page = tmp_path / "new.md"
    command.write_page(page, [Result("m", summarise([]))])
    assert page.read_text().startswith(command.MARKS[0])
    with pytest.raises(InputError, match="cannot be written"):
        command.write_page(tmp_path / "no" / "such.md", [Result("m", summarise([]))])
