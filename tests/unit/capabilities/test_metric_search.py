"""Finding metrics by words, over names as real exporters give them."""

import pytest

from aiops_mcp.capabilities.metric_search import search_metrics, words_of
from aiops_mcp.models.metrics import MetricMetadata

KNOWN = {
    "DCGM_FI_DEV_GPU_TEMP": "GPU temperature (in C).",
    "DCGM_FI_DEV_MEMORY_TEMP": "Memory temperature (in C).",
    "DCGM_FI_DEV_GPU_UTIL": "GPU utilization (in %).",
    "DCGM_FI_DEV_POWER_USAGE": "Power draw (in W).",
    "DCGM_FI_DEV_FB_USED": "Framebuffer memory used (in MiB).",
    "node_hwmon_temp_celsius": "Hardware monitor for temperature (input)",
    "node_filesystem_avail_bytes": "Filesystem space available to non-root users in bytes.",
    "node_memory_MemAvailable_bytes": "Memory information field MemAvailable_bytes.",
    "container_cpu_usage_seconds_total": "Cumulative cpu time consumed in seconds.",
    "kube_pod_container_status_restarts_total": "The number of container restarts per container.",
    "openshift_ptp_offset_ns": "Offset from the master clock in nanoseconds.",
    "apiserver_request_total": "Counter of apiserver requests.",
    "node_network_receive_drop_total": "Network device statistic receive_drop.",
}


def index(**more):
    names = {**KNOWN, **{f"filler_{n}_total": "Something else." for n in range(390)}, **more}
    return {name: (MetricMetadata(name=name, help=text), 3) for name, text in names.items()}


@pytest.mark.parametrize(
    ("search", "name"),
    [
        ("gpu temperature", "DCGM_FI_DEV_GPU_TEMP"),
        ("What is the name of the GPU temperature metric?", "DCGM_FI_DEV_GPU_TEMP"),
        ("gpu memory used", "DCGM_FI_DEV_FB_USED"),
        ("disk space free", "node_filesystem_avail_bytes"),
        ("pod restarts", "kube_pod_container_status_restarts_total"),
        ("ptp offset", "openshift_ptp_offset_ns"),
        ("cpu usage of containers", "container_cpu_usage_seconds_total"),
        ("dropped packets", "node_network_receive_drop_total"),
        ("apiserver_request_total", "apiserver_request_total"),
    ],
)
def test_the_best_hit(search, name):
    assert search_metrics(index(), search)[0].metadata.name == name


def test_weak_hits_are_left_out_and_counts_kept():
    hits = search_metrics(index(), "gpu temperature")
    assert len(hits) <= 4
    assert hits[0].clusters == 3


def test_nothing_fits():
    assert search_metrics(index(), "zebra") == ()


def test_no_words_lists_everything_by_name():
    hits = search_metrics(index(), " ")
    assert len(hits) == len(KNOWN) + 390
    assert [hit.metadata.name for hit in hits] == sorted(hit.metadata.name for hit in hits)


def test_an_exact_name_comes_first_whatever_scores_higher():
    hits = search_metrics(index(up="Whether the target is up up up."), "up")
    assert hits[0].metadata.name == "up"


def test_names_are_taken_apart():
    assert words_of("node_memory_MemAvailable_bytes") == [
        "node",
        "memory",
        "mem",
        "available",
        "bytes",
    ]
    assert words_of("DCGM_FI_DEV_GPU_TEMP") == ["dcgm", "fi", "dev", "gpu", "temp"]


def test_the_word_itself_wins_over_a_related_one_in_a_shorter_help_text():
    told = {
        "node_filesystem_avail_bytes": "Filesystem space available to non-root users in bytes.",
        "node_filesystem_free_bytes": "Filesystem free space in bytes.",
        "node_filesystem_files_free": "Filesystem total free file nodes.",
    }
    others = {f"node_thing_{number}_total": "Number of things." for number in range(30)}
    metrics = {
        name: (MetricMetadata(name=name, type="gauge", help=text), 1)
        for name, text in (told | others).items()
    }
    for search in ("filesystem avail bytes", "node filesystem avail"):
        assert search_metrics(metrics, search)[0].metadata.name == "node_filesystem_avail_bytes"
    assert search_metrics(metrics, "free filesystem bytes")[0].metadata.name == (
        "node_filesystem_free_bytes"
    )
