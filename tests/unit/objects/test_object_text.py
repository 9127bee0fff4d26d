"""One object for a reader: nothing that nobody reads, and nothing that nobody may."""

import base64
import json

import pytest

from aiops_mcp.fleet.object_text import HIDDEN, flow, laid_out, pruned

SECRET = "s3cr3t-value-7731"
ENCODED = base64.b64encode(SECRET.encode()).decode()


def test_the_values_of_a_secret_never_pass():
    thing = {
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": "db",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": json.dumps(
                    {"data": {"password": ENCODED}}
                ),
                "note": SECRET,
            },
            "managedFields": [{"manager": "kubectl"}],
        },
        "data": {"password": ENCODED, "odd": "###"},
        "stringData": {"password": SECRET},
    }
    shown = pruned(thing, "Secret")
    text = json.dumps(shown)
    assert SECRET not in text
    assert ENCODED not in text
    assert shown["data"] == {"password": f"{len(SECRET)} bytes", "odd": "3 bytes"}


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [{"env": [{"name": "DB_PASSWORD", "value": SECRET}]}]},
        {"containers": [{"env": [{"name": "API_KEY", "value": SECRET}]}]},
        {"auth": {"clientSecret": SECRET}},
        {"remote": [{"bearerToken": SECRET}]},
        {"smtp": {"password": SECRET}},
    ],
)
def test_what_is_named_like_a_secret_is_hidden_in_any_kind(spec):
    shown = pruned({"metadata": {"name": "x"}, "spec": spec}, "Anything")
    assert SECRET not in json.dumps(shown)
    assert HIDDEN in json.dumps(shown)


def test_last_applied_and_managed_fields_are_left_out():
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": SECRET, "team": "shop"}
    metadata = {"name": "x", "uid": "u", "managedFields": [1], "annotations": annotations}
    shown = pruned({"metadata": metadata, "spec": {}}, "Deployment")
    assert shown["metadata"] == {"name": "x", "annotations": {"team": "shop"}}


def test_references_to_secrets_stay_readable():
    spec = {
        "volumes": [{"secret": {"secretName": "tls"}}],
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}],
        "tolerations": [{"key": "node-role", "effect": "NoSchedule"}],
        "automountServiceAccountToken": False,
    }
    assert pruned({"metadata": {}, "spec": spec}, "Pod")["spec"] == spec


def test_a_secret_with_a_line_end_is_a_single_value():
    shown = pruned({"data": {"password": "hunter2\n", "token.conf": "a = 1\nb = 2\n"}}, "ConfigMap")
    assert shown["data"] == {"password": "[hidden]", "token.conf": "a = 1\nb = 2\n"}


def test_a_config_map_hides_single_values_and_folds_long_ones():
    data = {"password": SECRET, "config.yaml": "a: 1\n" * 400, "level": "info"}
    shown = pruned(
        {"metadata": {"name": "x"}, "data": data, "binaryData": {"k": "AAAA"}}, "ConfigMap"
    )
    assert shown["data"]["password"] == HIDDEN
    assert shown["data"]["level"] == "info"
    assert "(2000 characters)" in shown["data"]["config.yaml"]
    assert shown["binaryData"] == {"k": "3 bytes"}


def test_status_comes_first_and_a_deep_object_ends():
    deep: dict = {}
    inner = deep
    for _ in range(200):
        inner["next"] = {}
        inner = inner["next"]
    shown = pruned({"metadata": {}, "spec": deep, "status": {"phase": "x"}}, "Odd")
    assert list(shown) == ["status", "metadata", "spec"]
    assert "…" in json.dumps(shown, ensure_ascii=False)


def test_as_much_on_a_line_as_fits():
    value = {"a": {"b": 1, "c": [True, None]}, "list": [{"name": "web", "image": "i" * 60}]}
    assert list(laid_out(value, most=40)) == [
        ("a", "{b: 1, c: [true, null]}"),
        ("list[web].name", "web"),
        ("list[web].image", "i" * 60),
    ]
    assert flow({}) == "{}"
