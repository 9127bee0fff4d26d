"""Known patterns: what a cause's evidence looks like when it has a name and a remedy.

A rule is data: clauses that must all be seen and clauses of which one must be. The rules that ship
are in ``rootcause_known``; more can be given as plain mappings (what a YAML file holds) through
``rules_of``. Words are compared as text, not as regular expressions, so that a rule from outside
can cost no more than its length.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from aiops_mcp.analysis.rootcause_problem import Cause, Clue, ClueItem
from aiops_mcp.errors import InputError

FIELDS: Final = frozenset({"name", "cause", "remedy", "source", "all", "any"})
CLAUSE_FIELDS: Final = frozenset({"clue", "words", "rises"})


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing to be seen: a clue of this kind that has one of the words, in any case.

    No words: any item of the kind. ``rises`` asks a deviating metric to have gone up (or down).
    """

    clue: Clue
    words: tuple[str, ...] = ()
    rises: bool | None = None

    def seen_in(self, items: Iterable[ClueItem]) -> ClueItem | None:
        """The first item that is it, or none."""
        return next((each for each in items if self._is(each)), None)

    def _is(self, item: ClueItem) -> bool:
        if item.clue is not self.clue:
            return False
        if self.rises is not None and (item.amount > 0.0) is not self.rises:
            return False
        told = f"{item.about} {item.text}".casefold()
        return not self.words or any(word.casefold() in told for word in self.words)


@dataclass(frozen=True, slots=True)
class Rule:
    """``cause`` names what is wrong, ``remedy`` what to do; ``source`` says who says so."""

    name: str
    cause: str
    remedy: str
    source: str = ""
    all: tuple[Clause, ...] = ()
    any: tuple[Clause, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownPattern:
    """A rule that fits, with what was seen of it and what else it would show."""

    rule: Rule
    seen: tuple[ClueItem, ...]
    unseen: tuple[Clause, ...]


def known_patterns(cause: Cause, rules: Sequence[Rule]) -> tuple[KnownPattern, ...]:
    """The rules that fit a cause's evidence, the most completely seen first."""
    fitting = [found for rule in rules if (found := _fit(rule, cause.evidence_for)) is not None]
    fitting.sort(key=lambda each: (-len(each.seen), len(each.unseen), each.rule.name))
    return tuple(fitting)


def _fit(rule: Rule, items: Sequence[ClueItem]) -> KnownPattern | None:
    needed = [(clause, clause.seen_in(items)) for clause in rule.all]
    either = [(clause, clause.seen_in(items)) for clause in rule.any]
    if any(item is None for _, item in needed):
        return None
    if either and all(item is None for _, item in either):
        return None
    both = needed + either
    return KnownPattern(
        rule=rule,
        seen=tuple(item for _, item in both if item is not None),
        unseen=tuple(clause for clause, item in both if item is None),
    )


def rules_of(document: object) -> tuple[Rule, ...]:
    """Rules from a list of mappings with the fields of ``Rule``; clauses likewise.

    Raises:
        InputError: something is missing, unknown or of another type; names the rule.
    """
    return tuple(_rule(each, at) for at, each in enumerate(_list(document, "the rules")))


def _rule(given: object, at: int) -> Rule:
    where = f"rule {at + 1}"
    fields = _mapping(given, where, FIELDS)
    name = _text(fields, "name", where)
    where = f"rule {name!r}"
    rule = Rule(
        name=name,
        cause=_text(fields, "cause", where),
        remedy=_text(fields, "remedy", where),
        source=_text(fields, "source", where) if "source" in fields else "",
        all=tuple(_clause(each, where) for each in _list(fields.get("all", []), where)),
        any=tuple(_clause(each, where) for each in _list(fields.get("any", []), where)),
    )
    if not rule.all and not rule.any:
        raise _refused(where, "has no clause, so it would fit everything")
    return rule


def _clause(given: object, where: str) -> Clause:
    fields = _mapping(given, where, CLAUSE_FIELDS)
    clue = _text(fields, "clue", where)
    if clue not in set(Clue):
        raise _refused(where, f"knows no clue {clue!r}", f"One of: {', '.join(Clue)}.")
    words = _list(fields.get("words", []), where)
    if not all(isinstance(word, str) and word for word in words):
        raise _refused(where, "has a word that is no text or empty")
    rises = fields.get("rises")
    if rises is not None and not isinstance(rises, bool):
        raise _refused(where, "wants rises to be true or false")
    return Clause(Clue(clue), tuple(cast("list[str]", words)), rises)


def _mapping(given: object, where: str, known: frozenset[str]) -> Mapping[str, object]:
    if not isinstance(given, Mapping):
        raise _refused(where, "is not a mapping")
    fields = cast("Mapping[str, object]", given)
    unknown = sorted(str(key) for key in fields if key not in known)
    if unknown:
        raise _refused(where, f"has an unknown field {unknown[0]!r}", f"Known: {sorted(known)}.")
    return fields


def _list(given: object, where: str) -> list[object]:
    if not isinstance(given, list):
        raise _refused(where, "should hold a list")
    return cast("list[object]", given)


def _text(fields: Mapping[str, object], field: str, where: str) -> str:
    value = fields.get(field)
    if not isinstance(value, str) or not value:
        raise _refused(where, f"needs {field!r} as text")
    return value


def _refused(
    where: str, what: str, hint: str = "See the rules that ship for the form."
) -> InputError:
    return InputError(f"{where} {what}", hint)
