"""Clauses as the shipped rules write them: an event, an alert, a log line, a change, a metric."""

from typing import Final

from aiops_mcp.analysis.rootcause_problem import Clue
from aiops_mcp.analysis.rootcause_rules import Clause


def event(*words: str) -> Clause:
    return Clause(Clue.EVENT, words)


def alert(*words: str) -> Clause:
    return Clause(Clue.ALERT, words)


def log(*words: str) -> Clause:
    return Clause(Clue.LOG, words)


def change(*words: str) -> Clause:
    return Clause(Clue.CHANGE, words)


def up(*words: str) -> Clause:
    return Clause(Clue.DEVIATES, words, rises=True)


def down(*words: str) -> Clause:
    return Clause(Clue.DEVIATES, words, rises=False)


ERRORS: Final = Clause(Clue.DEVIATES, ("errors", "success", "latency", "restart"))
