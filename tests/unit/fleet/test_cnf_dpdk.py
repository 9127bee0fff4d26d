import re

import pytest

from aiops_mcp.fleet import cnf_dpdk
from aiops_mcp.models.metrics import Series
from aiops_mcp.promql.parse import parse

START = 1_700_000_000.0
COUNT = 61


def counter(name, per_second, *, step=30.0, from_point=0, **labels):
    """A counter that grows by ``per_second`` from its point ``from_point`` on."""
    values = tuple(
        (START + step * place, str(per_second * step * max(0, place - from_point)))
        for place in range(COUNT)
    )
    named = {"__name__": name, "pod": "upf-0", "namespace": "core", **labels}
    return Series(metric=named, values=values)


def stats(fakes, *many):
    return cnf_dpdk.dpdk_stats(many, fakes.cluster("edge-1"), "upf-0")


def test_the_queries_are_promql():
    parse(cnf_dpdk.pods_query())
    parse(cnf_dpdk.LOSS_QUERY)
    text = cnf_dpdk.pod_query('a"} or up{x="')
    parse(text)
    assert r"a\"} or up{x=\"" in text


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("dpdk_counters_rx_missed", "imissed"),
        ("dpdk_imissed", "imissed"),
        ("dpdk_ethdev_imissed_total", "imissed"),
        ("dpdk_rx_nombuf", "rx_nombuf"),
        ("dpdk_ierrors", "rx_errors"),
        ("dpdk_ipackets", "rx_packets"),
        ("dpdk_cpu_busy_cycles", "cycles_busy"),
        ("node_rx_packets", None),
        ("dpdk_something_else", None),
    ],
)
def test_names_of_all_exporters(name, field):
    assert cnf_dpdk.field_of(name) == field


def test_packets_that_are_missed(fakes):
    found = stats(
        fakes,
        counter("dpdk_counters_rx_packets", 900, port="0"),
        counter("dpdk_counters_tx_packets", 800, port="0"),
        counter("dpdk_counters_rx_missed", 100, from_point=40, port="0"),
        counter("dpdk_counters_rx_nombuf", 0, port="0"),
        counter("dpdk_cpu_busy_cycles", 95, cpu="2"),
        counter("dpdk_cpu_total_cycles", 100, cpu="2"),
        counter(cnf_dpdk.THROTTLED, 1),
        counter(cnf_dpdk.PERIODS, 10),
    )
    [port] = found.ports
    assert (port.rx_packets_per_second, port.imissed_per_second) == (900, 100)
    assert port.drop_percent == 10
    assert port.drops_earlier_per_second == pytest.approx(100 * 10 / 50)
    assert port.dropping_since.timestamp() == START + 40 * 30
    assert (found.busy_percent, found.cpu_throttled_percent) == (95, 10)
    assert found.troubles[0] == "port 0: imissed 100/s"
    assert "not isolated" in found.troubles[1]
    assert found.next_step.startswith("restore CPU isolation")
    assert found.namespace == "core"


def test_an_empty_buffer_pool_comes_before_a_full_queue(fakes):
    found = stats(
        fakes,
        counter("dpdk_rx_packets", 10, port_id="1"),
        counter("dpdk_imissed", 1, port_id="1"),
        counter("dpdk_rx_nombuf", 1, port_id="1"),
    )
    assert found.next_step.startswith("buffer pool empty")


def test_a_full_queue_without_throttling(fakes):
    found = stats(fakes, counter("dpdk_rx_packets", 10), counter("dpdk_imissed", 1))
    assert found.next_step.startswith("receive queue overrun")


def test_a_pod_that_loses_nothing(fakes):
    found = stats(
        fakes,
        counter("dpdk_rx_packets", 10, port="1"),
        counter("dpdk_rx_packets", 10, port="0"),
        counter("dpdk_imissed", 0, port="0"),
    )
    assert [port.port for port in found.ports] == ["0", "1"]
    assert found.troubles == ()
    assert found.next_step is None
    assert found.ports[0].dropping_since is None


def test_a_counter_that_is_not_there_is_null(fakes):
    [port] = stats(fakes, counter("dpdk_rx_packets", 10)).ports
    assert port.imissed is None
    assert port.imissed_per_second is None


def test_no_series_no_pod(fakes):
    assert stats(fakes) is None
    assert stats(fakes, counter(cnf_dpdk.PERIODS, 1)) is None


def test_the_workload_behind_an_exporter():
    one = counter("dpdk_rx_packets", 1, pod="exporter-x", exported_pod="vdu-0")
    assert cnf_dpdk.pods_with_ports([one, counter("dpdk_rx_packets", 1)]) == ("upf-0", "vdu-0")
    assert re.search("exported_pod", cnf_dpdk.pod_query("vdu-0"))
