"""Stores, blocks with gaps, label matching, and reading a recorded data set."""

import gzip
import json
import lzma

import numpy as np
import pytest

from aiops_mcp.errors import InputError
from aiops_mcp.promql.tree import Matcher
from aiops_mcp.simulation.promql import (
    ArrayStore,
    Block,
    Engine,
    MetricMetadata,
    labels_from,
)
from aiops_mcp.simulation.promql.dataset import load, read_openmetrics
from aiops_mcp.simulation.promql.hashing import label_hash, xxh64
from aiops_mcp.simulation.promql.matching import BadRegex, compile_regex, matches
from aiops_mcp.simulation.promql.numerals import plain, plain_many, seconds


def test_select_cuts_time_and_series(make_store):
    store = make_store({'x{a="1"}': "1 2 3 4", 'x{a="2"}': "5 6 7 8", 'y{a="1"}': "9 9"})
    (block,) = store.select(
        [Matcher("__name__", "=", "x"), Matcher("a", "!=", "1")], 15_000, 30_000
    )
    assert block.labels == [labels_from({"__name__": "x", "a": "2"})]
    assert block.timestamps.tolist() == [15_000, 30_000]
    assert block.values.tolist() == [[6, 7]]
    names = {dict(lb)["__name__"] for lb in store.series([Matcher("a", "=", "1")], 0, 10**6)}
    assert names == {"x", "y"}
    assert list(store.series([], 20_000, 29_000)) == []
    assert store.select([Matcher("__name__", "=", "nope")], 0, 1) == []
    assert store.head() == (3, 0, 45_000)
    assert ArrayStore([]).head() == (0, 0, 0)


def test_a_series_of_markers_only_is_no_series(make_store):
    store = make_store({'x{a="1"}': "1 stale stale", 'x{a="2"}': "1 2 stale"})
    assert [dict(lb)["a"] for lb in store.series([], 15_000, 30_000)] == ["2"]


class Fixed:
    """A store with one block whose cells may be missing, as a generated world gives them."""

    def __init__(self, block):
        self.block = block
        self.asked = []

    def select(self, matchers, start_ms, end_ms):
        self.asked.append((start_ms, end_ms))
        return [self.block]

    def series(self, matchers, start_ms, end_ms):
        return self.block.labels

    def metadata(self):
        return {}


def gappy():
    labels = [labels_from({"__name__": "x", "a": name}) for name in "abc"]
    missing = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)
    stale = np.zeros((3, 4), dtype=bool)
    stale[0, 2] = True
    values = np.arange(12.0).reshape(3, 4)
    return Fixed(Block(np.arange(4) * 15_000, values, labels, missing, stale))


def test_missing_cells_are_no_samples():
    engine = Engine(gappy())
    counts = engine.instant("count_over_time(x[1m])", 45_000).value
    assert {dict(lb)["a"]: v for lb, v in zip(counts.labels, counts.values[:, 0], strict=True)} == {
        "a": 3,
        "b": 2,
    }
    value = engine.range("x", 0, 45_000, 15_000).value
    assert [dict(lb)["a"] for lb in value.labels] == ["a", "b"]
    assert value.present.tolist() == [[True, True, False, True], [True, True, True, True]]
    assert value.values[1].tolist() == [4, 4, 4, 7]


def test_only_the_time_a_query_needs_is_asked_for():
    store = gappy()
    engine = Engine(store)
    engine.range("rate(x[30s] offset 10s) + rate(x[30s] offset 10s)", 100_000, 160_000, 30_000)
    assert store.asked == [(60_000, 150_000)]
    engine.range("x @ 50", 100_000, 160_000, 30_000)
    assert store.asked[-1] == (-250_000, 50_000)
    engine.instant("max_over_time(rate(x[30s])[1m:20s])", 100_000)
    assert store.asked[-1] == (30_000, 100_000)


def test_matchers_take_a_missing_label_as_empty():
    assert matches(Matcher("a", "=", ""), "")
    assert matches(Matcher("a", "=~", "b|"), "")
    assert not matches(Matcher("a", "!~", "b|"), "")
    assert matches(Matcher("a", "=~", "b.c"), "b\nc")
    assert not matches(Matcher("a", "=~", "b"), "abc")
    assert matches(Matcher("a", "!=", "b"), "")


def test_labels_are_sorted_and_never_empty():
    assert labels_from({"b": "2", "a": "1", "c": ""}) == (("a", "1"), ("b", "2"))


def test_a_bad_regular_expression_says_why():
    with pytest.raises(BadRegex, match="missing"):
        compile_regex("(")


OPENMETRICS = """# TYPE a counter
# HELP a How many, in words.
# UNIT a seconds
a_total{x="1",y="q\\"uo\\\\te\\n,}"} 1 10.5
a_total{x="1",y="q\\"uo\\\\te\\n,}"} 2.5 25.501 # {id="e"} 1 25
b NaN 10
b +Inf 20
# EOF
"""


def test_reads_openmetrics():
    series, metadata = read_openmetrics(OPENMETRICS.splitlines())
    assert metadata == {"a": MetricMetadata("counter", "How many, in words.", "seconds")}
    a, b = series
    assert dict(a.labels) == {"__name__": "a_total", "x": "1", "y": 'q"uo\\te\n,}'}
    assert a.timestamps.tolist() == [10_500, 25_501]
    assert a.values.tolist() == [1, 2.5]
    assert np.isnan(b.values[0])
    assert b.values[1] == np.inf


@pytest.mark.parametrize("line", ["a 1", "a", "a x 1", "a 1 x"])
def test_an_unreadable_line_is_named(line):
    with pytest.raises(InputError):
        read_openmetrics([line])


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz"])
def test_loads_a_folder(tmp_path, suffix):
    packed = {"": bytes, ".xz": lzma.compress, ".gz": gzip.compress}[suffix]
    (tmp_path / f"dataset.om{suffix}").write_bytes(packed(OPENMETRICS.encode()))
    stale = {"series": [{"labels": {"__name__": "s"}, "samples": [[0, 1.5], [15_000, None]]}]}
    (tmp_path / "stale.json").write_text(json.dumps(stale))
    store = load(tmp_path)
    engine = Engine(store)
    assert store.head()[0] == 3
    assert engine.instant("s", 10_000).value.values.tolist() == [[1.5]]
    assert not engine.instant("s", 15_000).value.labels
    assert engine.instant("a_total", 30_000).value.values.tolist() == [[2.5]]


def test_a_folder_without_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="no data set"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e21, "1000000000000000000000"),
        (1.5e-7, "0.00000015"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (1e16, "10000000000000000"),
        (123456.789, "123456.789"),
    ],
)
def test_numbers_are_plain_decimals(value, text):
    assert plain(value) == text
    assert plain_many(np.array([value])) == [text.encode()]
    assert plain_many(np.array([value, 10.0, 0.05])) == [text.encode(), b"10", b"0.05"]
    assert plain_many(np.array([2.0, value]))[1] == text.encode()


def test_no_numbers():
    assert plain_many(np.array([])) == []


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0"), (1500, "1.500"), (-1, "-0.001"), (1000, "1")]
)
def test_times_are_seconds(milliseconds, text):
    assert seconds(milliseconds) == text


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"xxhash", 0x32DD38952C4BC720),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_xxh64_of_known_texts(data, digest):
    assert xxh64(data) == digest


def test_label_hashes_depend_on_names_and_values():
    one = label_hash(labels_from({"a": "bc"}))
    assert one == xxh64(b"\x01a\x02bc")
    assert one != label_hash(labels_from({"ab": "c"}))
    assert label_hash(labels_from({"a": "b" * 300})) == xxh64(b"\x01a\xff\x2c\x01\x00" + b"b" * 300)
