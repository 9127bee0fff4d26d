"""Random queries, asked of a real Prometheus and of the evaluator, over the same samples."""

import json
import random

import pytest

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.simulation.prometheus_json import matrix
from aiops_mcp.simulation.promql import Engine, QueryFailed

START, END = 1_740_702_000_500, 1_740_702_300_500
SELECTORS = ["g", 'g{mode="a"}', 'g{mode!="c"}', "c_total", 'steps{mode=~"a|c"}', "info"]
OVER_TIME = [
    "idelta",
    "irate",
    "changes",
    "resets",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
]
ELEMENTWISE = ["abs", "ceil", "floor", "sqrt", "ln", "sgn", "sort", "absent", "timestamp", "hour"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group"]


class Grammar:
    """Draws expressions whose answer does not differ between 2.x and 3.x."""

    def __init__(self, seed):
        self.draw = random.Random(seed)

    def pick(self, *options):
        return self.draw.choice(options)

    def windowed(self):
        offset = self.pick("", "", " offset 3m", " @ end()")
        return f"{self.draw.choice(SELECTORS)}[{self.pick('47s', '3m', '8m')}]{offset}"

    def vector(self, depth):
        kind = self.draw.random()
        if depth == 0 or kind < 0.15:
            return self.draw.choice(SELECTORS) + self.pick("", "", " offset 2m", " @ start()")
        if kind < 0.4:
            function = self.draw.choice(OVER_TIME)
            if self.draw.random() < 0.2:
                return f"{function}(({self.vector(depth - 1)})[5m:{self.pick('17s003ms', '61s')}])"
            return f"{function}({self.windowed()})"
        if kind < 0.6:
            by = self.pick("", " by (mode)", " by (instance)", " without (mode)")
            return f"{self.draw.choice(AGGREGATIONS)}{by} ({self.vector(depth - 1)})"
        if kind < 0.75:
            return f"{self.draw.choice(ELEMENTWISE)}({self.vector(depth - 1)})"
        return self.binary(depth - 1)

    def binary(self, depth):
        left, right = self.vector(depth), self.vector(depth)
        op = self.pick("+", "-", "*", "/", "%", "^", ">", "<=", "and", "or", "unless")
        if op in ("and", "or", "unless"):
            return f"({left}) {op} {self.pick('', 'on (instance) ')}({right})"
        if self.draw.random() < 0.4:
            return f"({left}) {op} {self.pick('2', '0.5')}"
        match = self.pick("", "on (instance, mode) ", "ignoring (mode) group_left ")
        return f"({left}) {op} {match}({right})"


def series_of(data):
    return {
        json.dumps(one["metric"], sort_keys=True): dict(one["values"]) for one in data["result"]
    }


def difference(expected, got, close):
    if set(expected) != set(got):
        return f"series differ: {sorted(set(expected) ^ set(got))[:2]}"
    for key, values in expected.items():
        if set(values) != set(got[key]):
            return f"{key}: other steps"
        if not all(close(values[time], got[key][time]) for time in values):
            return f"{key}: {got[key]}, expected {values}"
    return None


@pytest.mark.real
def test_random_queries_get_the_same_answers(reference, recorded_samples, recorded_store, close):
    engine = Engine(recorded_store)
    grammar = Grammar(20)
    answered, wrong = 0, []
    with reference.prometheus() as (url, _):
        reference.write(url, recorded_samples)
        for _ in range(250):
            query = grammar.vector(3)
            span = {"start": START / 1000, "end": END / 1000, "step": 60}
            status, body = reference.ask(url, "query_range", {"query": query, **span})
            try:
                answer = json.loads(matrix(engine.range(query, START, END, 60_000), None))
            except (InvalidPromql, QueryFailed) as error:
                if status == 200:
                    wrong.append(f"{query}: refused: {error}")
                continue
            if status != 200:
                wrong.append(f"{query}: answered, but the server says {body['error']}")
                continue
            answered += 1
            found = difference(series_of(body["data"]), series_of(answer["data"]), close)
            if found:
                wrong.append(f"{query}: {found}")
    assert not wrong, "\n".join(wrong)
    assert answered > 180
