"""What may be registered."""

import pytest
from pydantic import ValidationError

from aiops_mcp.errors import InvalidClusterName
from aiops_mcp.models.registration import ClusterChanges, NewCluster, checked_cluster_name


@pytest.mark.parametrize("name", ["abc", "a-1", "0-0", "a" * 63, "prod-east-1"])
def test_names_that_are_fine(name):
    assert checked_cluster_name(name) == name
    assert NewCluster(name=name, api_server_url="https://x").name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "ab",
        "-ab",
        "ab-",
        "Abc",
        "a_b",
        "a.b",
        "a b",
        "a" * 64,
        "abc\n",
        "äbc",
        "f3e9461c-77c0-46f2-bfaf-816e048a81b0",
    ],
)
def test_names_that_are_not(name):
    for attempt in (
        lambda: checked_cluster_name(name),
        lambda: NewCluster(name=name, api_server_url="https://x"),
        lambda: ClusterChanges(name=name),
    ):
        with pytest.raises(InvalidClusterName) as caught:
            attempt()
        assert caught.value.code == "INVALID_CLUSTER_NAME"
        assert "3 to 63" in caught.value.hint
        assert caught.value.details == {"field": "name"}


def test_a_very_long_name_is_not_repeated_whole():
    with pytest.raises(InvalidClusterName) as caught:
        checked_cluster_name("x" * 5000)
    assert len(caught.value.message) < 150


@pytest.mark.parametrize(
    "url", ["http://api.example:6443", "ftp://x", "api.example", "https://" + "x" * 2048]
)
def test_urls_that_are_refused(url):
    with pytest.raises(ValidationError):
        NewCluster(name="abc", api_server_url=url)


def test_plain_http_is_for_loopback():
    assert NewCluster(name="abc", api_server_url="http://127.0.0.1:8001/").api_server_url == (
        "http://127.0.0.1:8001"
    )


def test_unknown_fields_and_too_many_labels_are_refused():
    with pytest.raises(ValidationError, match="extra"):
        NewCluster(name="abc", api_server_url="https://x", colour="red")
    with pytest.raises(ValidationError, match="labels"):
        NewCluster(name="abc", api_server_url="https://x", labels={str(i): "" for i in range(65)})


def test_changes_hold_what_was_named():
    assert ClusterChanges().values() == {}
    assert ClusterChanges(region=None, name=None).values() == {"region": None}
    assert ClusterChanges(display_name="x").values() == {"display_name": "x"}


def test_the_schema_tells_the_pattern():
    schema = NewCluster.model_json_schema()["properties"]["name"]
    assert schema["pattern"].startswith("^[a-z0-9]")


@pytest.mark.parametrize("field", ["display_name", "region"])
def test_control_characters_are_refused(field):
    with pytest.raises(ValidationError, match="control characters"):
        ClusterChanges(**{field: "a\0b"})
    assert ClusterChanges(**{field: "Köln 東京"}).values() == {field: "Köln 東京"}


def test_control_characters_in_labels_are_refused():
    for labels in ({"a\n": "b"}, {"a": "b\x7f"}, {"": "b"}):
        with pytest.raises(ValidationError):
            ClusterChanges(labels=labels)
