"""DCGM over time: a card is one timeline, whatever its labels do; blanks are no samples."""

from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.backends.dcgm_fields import selector
from aiops_mcp.backends.dcgm_timeline import busy_query, history_query, timelines, xid_query
from aiops_mcp.models.metrics import Series
from aiops_mcp.promql import parse

CARD = {"UUID": "GPU-a", "gpu": "3", "Hostname": "gpu-1"}


def series(name, *values, start=0.0, **labels):
    points = tuple((start + 60.0 * place, str(value)) for place, value in enumerate(values))
    return Series(metric={"__name__": name, **CARD, **labels}, values=points)


def test_the_queries_are_promql_and_know_both_names():
    for query in (history_query(), xid_query(), busy_query("15m")):
        parse(query)
    assert selector(["XID_ERRORS"]) == '{__name__=~"DCGM_FI_DEV_XID_ERRORS|DCGM_FI_DEV_XID_ERROR"}'
    assert "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO[15m]" in busy_query("15m")


def test_series_of_one_card_under_changing_labels_are_one():
    [line] = timelines(
        [
            series("DCGM_FI_DEV_XID_ERRORS", 0, 79, exported_pod="a", exported_namespace="ml"),
            series("DCGM_FI_DEV_XID_ERRORS", 79, 79, start=120, exported_pod="b", err_code="79"),
        ]
    )
    assert (line.node_name, line.gpu_index) == ("gpu-1", 3)
    assert [value for _, value in line.fields["XID_ERRORS"]] == [0, 79, 79, 79]
    assert line.pod_at(30.0) == "ml/a"
    assert line.pod_at(130.0) == "/b"
    assert line.pod_at(-1.0) is None


def test_blanks_and_text_are_no_samples_and_without_uuid_there_is_no_card():
    blank = 9223372036854775794
    assert timelines([series("DCGM_FI_DEV_GPU_TEMP", blank, "NaN", "x")]) == ()
    assert timelines([series("up", 1)]) == ()
    assert timelines([series("DCGM_FI_DEV_GPU_TEMP", 50, UUID="")]) == ()


def test_slices_are_kept_apart_and_the_busiest_stands_for_the_card():
    name = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
    [line] = timelines(
        [
            series(name, 0.2, 0.9, GPU_I_ID="7", exported_pod="a"),
            series(name, 0.5, 0.1, GPU_I_ID="8"),
        ]
    )
    assert line.slices == {"7": ((0.0, 0.2), (60.0, 0.9)), "8": ((0.0, 0.5), (60.0, 0.1))}
    assert line.fields["GR_ENGINE_ACTIVE"] == ((0.0, 0.5), (60.0, 0.9))
    assert line.pods == ()


def test_counts_are_by_code_and_names_may_be_dropped():
    [line] = timelines([series("DCGM_EXP_XID_ERRORS_COUNT", 1, 2, xid="79", pod="x")])
    assert line.xid_counts == {79: ((0.0, 1.0), (60.0, 2.0))}
    assert timelines([series("DCGM_EXP_XID_ERRORS_COUNT", 1, xid="?")])[0].xid_counts == {}
    [line] = timelines([series("", 5, 7)], unnamed="BUSY")
    assert line.fields == {"BUSY": ((0.0, 5.0), (60.0, 7.0))}


@given(
    st.lists(
        st.builds(
            Series,
            metric=st.dictionaries(
                st.sampled_from(["__name__", "UUID", "gpu", "GPU_I_ID", "xid", "Hostname"]),
                st.sampled_from(
                    ["DCGM_FI_DEV_XID_ERRORS", "DCGM_EXP_XID_ERRORS_COUNT", "GPU-1", "7", "", "٣"]
                ),
            ),
            values=st.lists(st.tuples(st.floats(0, 2e9), st.text(max_size=6))).map(tuple),
        )
    )
)
def test_nothing_that_prometheus_may_send_breaks_it(found):
    timelines(found)
