"""The numbers that the sensitivity benchmark moves: each is where its list says, and moves."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import sensitivity_parameters as parameters
from benchmarks.sensitivity_worker import MovingFinder, moved

ROOT = Path(__file__).parents[3]
LOCATIONS = (
    *parameters.ANOMALY,
    *parameters.WINDOW,
    *parameters.ROOT_CAUSE,
    *parameters.EVIDENCE,
    *parameters.LOGS,
    *parameters.SESSIONS,
)


@pytest.mark.parametrize(
    ("number", "factor", "found"),
    [
        (0.5, 1.2, 0.6),
        (0.5, 1.0, 0.5),
        (2, 1.2, 3),
        (2, 0.8, 1),
        (1, 0.8, 1),
        (6, 0.8, 5),
        (6, 1.2, 7),
        (4096, 0.8, 3276),
        (4096, 1.2, 4916),
        (50, 1.2, 60),
    ],
)
def test_whole_numbers_stay_whole_and_move_by_one_at_least(number, factor, found):
    assert moved(number, factor) == pytest.approx(found)
    assert type(moved(number, factor)) is type(number)


def test_every_number_is_where_the_list_says():
    assert len(set(LOCATIONS)) == len(LOCATIONS)
    assert set(LOCATIONS) >= parameters.DIALS
    for location in LOCATIONS:
        module, _, name = location.partition(":")
        found = importlib.import_module(f"aiops_mcp.analysis.{module}")
        if "." not in name:
            assert isinstance(getattr(found, name), int | float)
            continue
        *path, argument = name.split(".")
        for part in path:
            found = getattr(found, part)
        assert isinstance(found.__kwdefaults__[argument], int | float)


def test_a_moved_number_is_moved_wherever_it_is_used():
    code = (
        "import json, sys\n"
        "from benchmarks.sensitivity_worker import MovingFinder\n"
        "finder = MovingFinder(['rootcause_evidence:CLEAR',"
        " 'logpatterns:TemplateMiner.__init__.words'], 1.2)\n"
        "sys.meta_path.insert(0, finder)\n"
        "from aiops_mcp.analysis import logpatterns, rootcause, rootcause_evidence\n"
        "finder.check()\n"
        "words = logpatterns.TemplateMiner.__init__.__kwdefaults__['words']\n"
        "print(json.dumps([rootcause_evidence.CLEAR, rootcause.CLEAR, words]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == [6.0, 6.0, 5]


def test_a_name_that_is_not_there_is_told():
    finder = MovingFinder(["series:NO_SUCH_NUMBER"], 1.2)
    importlib.import_module("aiops_mcp.analysis.series")
    with pytest.raises(LookupError, match="series has no NO_SUCH_NUMBER"):
        finder.check()
