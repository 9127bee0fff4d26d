"""A pipeline made ready to run: each stage a function over a row."""

import re
from collections.abc import Callable, Iterator, Sequence

from aiops_mcp.logql import tree
from aiops_mcp.simulation.loki.filters import label_step, line_step
from aiops_mcp.simulation.loki.parsers import (
    json_step,
    logfmt_step,
    pattern_step,
    regexp_step,
    unpack_step,
)
from aiops_mcp.simulation.loki.rows import Row
from aiops_mcp.simulation.loki.streams import Stream, matches
from aiops_mcp.simulation.loki.templates import template

Step = Callable[[Row], bool]
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def rows_of(streams: Sequence[Stream], stages: Sequence[tree.Stage]) -> Iterator[Row]:
    """The lines that get through, each with its labels.

    Raises:
        InvalidLogql: a template cannot be read.
    """
    # Line filters at the front look at the text alone, before a row is made.
    front = 0
    while front < len(stages) and isinstance(stages[front], tree.LineFilter):
        front += 1
    steps = [step_of(one) for one in stages]
    early, late = steps[:front], steps[front:]
    for stream in streams:
        labels = stream.labels
        for entry in stream.entries:
            row = Row.of(entry.ns, entry.line, labels, entry.metadata)
            if all(step(row) for step in early) and all(step(row) for step in late):
                yield row


def step_of(stage: tree.Stage) -> Step:  # noqa: PLR0911 - one return a stage
    """What a stage does with a row.

    Raises:
        InvalidLogql: a template cannot be read.
    """
    match stage:
        case tree.LineFilter():
            return line_step(stage)
        case tree.LabelFilter(test):
            return label_step(test)
        case tree.Json():
            return json_step(stage)
        case tree.Logfmt():
            return logfmt_step(stage)
        case tree.Pattern(pattern):
            return pattern_step(pattern)
        case tree.Regexp(pattern):
            return regexp_step(pattern)
        case tree.Unpack():
            return unpack_step
        case tree.Decolorize():
            return _decolorize
        case _:
            return _formatting(stage)


def _formatting(stage: tree.LineFormat | tree.LabelFormat | tree.Drop | tree.Keep) -> Step:
    if isinstance(stage, tree.LineFormat):
        write = template(stage.template)

        def line_format(row: Row) -> bool:
            row.line = write(row)
            return True

        return line_format
    if isinstance(stage, tree.LabelFormat):
        return _label_format(stage)
    return _drop(stage) if isinstance(stage, tree.Drop) else _keep(stage)


def _decolorize(row: Row) -> bool:
    row.line = _COLOUR.sub("", row.line)
    return True


def _label_format(stage: tree.LabelFormat) -> Step:
    writers = [
        (one, template(one.template) if isinstance(one, tree.LabelTemplate) else None)
        for one in stage.operations
    ]

    def step(row: Row) -> bool:
        for one, write in writers:
            if write is not None:
                row.set(one.name, write(row))
            elif isinstance(one, tree.LabelRename) and one.source in row.labels:
                value = row.labels[one.source]
                row.drop(one.source)
                row.set(one.name, value)
        return True

    return step


def _chosen(row: Row, one: str | tree.Matcher) -> str | None:
    if isinstance(one, str):
        return one
    return one.name if matches(one, row.labels.get(one.name, "")) else None


def _drop(stage: tree.Drop) -> Step:
    def step(row: Row) -> bool:
        for one in stage.labels:
            name = _chosen(row, one)
            if name is not None:
                row.drop(name)
        return True

    return step


def _keep(stage: tree.Keep) -> Step:
    def step(row: Row) -> bool:
        kept = {_chosen(row, one) for one in stage.labels}
        for name in [one for one in row.labels if one not in kept and not one.startswith("__")]:
            row.drop(name)
        return True

    return step
