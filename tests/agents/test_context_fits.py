"""A model that calls every tool it has, and a context of 32,768 tokens: nothing is summed up.

The runs were recorded over the simulated fleet (`record_scenarios.py --greedy`); playing them runs
the loop as it is now, with its prompts, its shares of results and its estimates.
"""

import asyncio
from pathlib import Path

from agents.evaluate.reading import read_scenarios
from agents.evaluate.recording import read_recordings
from agents.evaluate.remembered import SharedFleets
from agents.evaluate.running import Plan, Row, builtin_folder, run_group
from aiops_mcp.fleet.persona_files import builtin_personas
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.incident import read_incidents

RECORDED = Path(__file__).parents[1] / "data/recordings/greedy"


def _played(context_tokens: int | None = None) -> list[Row]:
    recordings = read_recordings(RECORDED)
    for one in recordings.values():
        one.context_tokens = context_tokens or one.context_tokens
    incidents = read_incidents(None)
    scenarios = {
        one.name: one for one in read_scenarios(builtin_folder("scenarios"), incidents).scenarios
    }
    personas = {one.id: one for one in builtin_personas()}
    plan = Plan(Settings(), incidents, personas, recordings=recordings)
    rows: list[Row] = []
    group = tuple(scenarios[name] for name in recordings)
    asyncio.run(run_group(plan, group, rows.append, SharedFleets()))
    return rows


def test_an_investigation_fits_where_a_model_asks_for_everything():
    assert {one.context_tokens for one in read_recordings(RECORDED).values()} == {32_768}
    rows = _played()
    scores = [row.asked.score for row in rows]
    assert [one.error for one in scores] == [""] * 10
    calls = [one.spent.calls for one in scores]
    assert min(calls) >= 8, calls
    compacted = [one.scenario for one in scores if one.spent.compacted]
    assert len(compacted) <= 2, compacted
    for row in rows:
        answer = row.asked.answer
        assert answer is not None
        assert answer.text
        assert answer.model == "scripted"


def test_a_small_context_does_not_hold_them():
    rows = _played(context_tokens=10_240)
    assert any(row.asked.score.spent.compacted for row in rows)
