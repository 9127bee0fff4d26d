"""Kubeconfigs: contexts, one context alone, and the way to a cluster."""

import base64
import os
import sys

import pytest
import yaml

from aiops_mcp.backends import kubeconfig
from aiops_mcp.backends.kubeconfig import broken_contexts, contexts, inlined, split_context
from aiops_mcp.errors import InvalidCredentials

PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def document(**user):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [
            {"name": "prod", "context": {"cluster": "p", "user": "jane", "namespace": "shop"}},
            {"name": "lab", "context": {"cluster": "l", "user": "jane"}},
            {"name": "lost", "context": {"cluster": "gone", "user": "jane"}},
        ],
        "clusters": [
            {
                "name": "p",
                "cluster": {
                    "server": "https://api.prod:6443/",
                    "certificate-authority-data": encoded(PEM),
                },
            },
            {
                "name": "l",
                "cluster": {
                    "server": "https://api.lab:6443",
                    "insecure-skip-tls-verify": True,
                    "tls-server-name": "kubernetes",
                    "proxy-url": "http://proxy:3128",
                },
            },
        ],
        "users": [{"name": "jane", "user": user or {"token": "t0ken"}}],
    }


def text(**user):
    return yaml.safe_dump(document(**user))


async def target(source, **settings):
    return await kubeconfig.target(source, cluster="edge-1", **settings)


def test_contexts_of_a_text_or_a_file(tmp_path):
    path = tmp_path / "config"
    path.write_text(text())
    for source in (text(), path):
        found = contexts(source)
        assert [(c.name, c.server, c.namespace, c.is_current) for c in found] == [
            ("prod", "https://api.prod:6443", "shop", True),
            ("lab", "https://api.lab:6443", None, False),
        ]
        assert (found[0].cluster, found[0].user) == ("p", "jane")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a: [b", "not YAML"),
        ("just text", "no kubeconfig"),
        ("- a", "no kubeconfig"),
        ("contexts: x", "no kubeconfig"),
        ("", "no kubeconfig"),
        ("[" * 5000, "not YAML"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("x" * (5 * 1024 * 1024), "larger than 4 MB"),
    ],
)
def test_what_is_no_kubeconfig(source, message):
    with pytest.raises(InvalidCredentials, match=message):
        contexts(source)


def test_a_yaml_error_does_not_quote_the_text():
    with pytest.raises(InvalidCredentials) as caught:
        contexts("token: s3cr3t\n  bad: [")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "line" in caught.value.message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidCredentials, match="No such file"):
        contexts(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidCredentials, match="not text"):
        contexts(tmp_path / "binary")


def test_one_context_alone():
    alone = yaml.safe_load(split_context(text(), "lab"))
    assert alone["current-context"] == "lab"
    assert [c["name"] for c in alone["contexts"]] == ["lab"]
    assert [c["cluster"]["server"] for c in alone["clusters"]] == ["https://api.lab:6443"]
    assert alone["users"] == [{"name": "jane", "user": {"token": "t0ken"}}]
    assert [c.name for c in contexts(split_context(text()))] == ["prod"]


def test_files_are_put_inline(tmp_path):
    for name in ("ca.crt", "me.crt", "me.key"):
        (tmp_path / name).write_text(f"{PEM}{name}")
    config = document(**{"client-certificate": "me.crt", "client-key": str(tmp_path / "me.key")})
    config["clusters"][0]["cluster"] = {"server": "https://k", "certificate-authority": "ca.crt"}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    alone = yaml.safe_load(split_context(path, "prod"))
    cluster, user = alone["clusters"][0]["cluster"], alone["users"][0]["user"]
    assert cluster == {"server": "https://k", "certificate-authority-data": encoded(f"{PEM}ca.crt")}
    assert user == {
        "client-certificate-data": encoded(f"{PEM}me.crt"),
        "client-key-data": encoded(f"{PEM}me.key"),
    }


async def test_data_wins_over_a_file():
    config = document()
    config["clusters"][0]["cluster"]["certificate-authority"] = "/not/there"
    assert (await target(yaml.safe_dump(config))).tls.ca_bundle == PEM


def test_the_whole_kubeconfig_can_be_carried_elsewhere(tmp_path):
    (tmp_path / "ca.crt").write_text(PEM)
    config = document(**{"client-key": "not-there.key", "client-certificate": "ca.crt"})
    for entry in config["clusters"]:
        entry["cluster"] = {"server": "https://k", "certificate-authority": "ca.crt"}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    carried = yaml.safe_load(inlined(path))
    assert [c["name"] for c in carried["contexts"]] == ["prod", "lab", "lost"]
    data = [entry["cluster"]["certificate-authority-data"] for entry in carried["clusters"]]
    assert data == [encoded(PEM)] * 2
    assert carried["users"][0]["user"] == config["users"][0]["user"]


def test_what_changes_stays_where_it_is(tmp_path):
    path = tmp_path / "config"
    path.write_text(text(tokenFile="tokens/t", exec={"command": "./plugin", "apiVersion": "v1"}))
    user = yaml.safe_load(split_context(path))["users"][0]["user"]
    assert user["tokenFile"] == str(tmp_path / "tokens/t")
    assert user["exec"]["command"] == str(tmp_path / "plugin")
    path.write_text(text(exec={"command": "aws", "apiVersion": "v1"}))
    assert yaml.safe_load(split_context(path))["users"][0]["user"]["exec"]["command"] == "aws"


@pytest.mark.parametrize(
    ("name", "message"), [("other", "no context 'other'"), ("lost", "names no cluster")]
)
def test_contexts_that_lead_nowhere(name, message):
    with pytest.raises(InvalidCredentials, match=message) as caught:
        split_context(text(), name)
    assert caught.value.hint


def test_no_current_context():
    config = document()
    del config["current-context"]
    with pytest.raises(InvalidCredentials, match="no current context") as caught:
        split_context(yaml.safe_dump(config))
    assert "prod, lab" in caught.value.hint


async def test_a_token():
    found = await target(text())
    assert (found.base_url, found.name, found.cluster) == (
        "https://api.prod:6443/",
        "kubernetes",
        "edge-1",
    )
    assert found.bearer() == "t0ken"
    assert found.tls.ca_bundle == PEM
    assert found.tls.insecure is False
    assert "t0ken" not in repr(found)


async def test_settings_of_the_cluster():
    found = await target(text(), context="lab")
    assert (found.tls.insecure, found.tls.server_name) == (True, "kubernetes")
    assert found.proxy == "http://proxy:3128"
    assert found.tls.ca_bundle is None


async def test_a_token_file_wins_and_is_read_anew(tmp_path):
    path = tmp_path / "config"
    path.write_text(text(tokenFile="t", token="old"))
    (tmp_path / "t").write_text("fresh\n")
    assert (await target(path)).bearer() == "fresh"


async def test_client_certificates():
    found = await target(
        text(**{"client-certificate-data": encoded(PEM), "client-key-data": encoded("KEY")})
    )
    assert (found.tls.client_cert, found.tls.client_key) == (PEM, "KEY")
    assert found.bearer is None
    assert "KEY" not in repr(found)


async def test_data_that_is_no_pem():
    with pytest.raises(InvalidCredentials, match="client-key-data is not base64"):
        await target(text(**{"client-key-data": "/w=="}))


async def test_name_and_password():
    found = await target(text(username="jane", password="pw"))
    assert found.headers == {"Authorization": f"Basic {encoded('jane:pw')}"}
    assert "pw" not in repr(found)


async def test_impersonation():
    found = await target(text(**{"token": "t", "as": "bob", "as-groups": ["sre"]}))
    assert found.headers == {"Impersonate-User": "bob", "Impersonate-Group": "sre"}
    with pytest.raises(InvalidCredentials, match="several groups"):
        await target(text(**{"as": "bob", "as-groups": ["a", "b"]}))


async def test_nobody_is_somebody_too():
    config = document()
    config["users"] = []
    with pytest.raises(InvalidCredentials, match="names a user that is not in it"):
        await target(yaml.safe_dump(config))
    for entry in config["contexts"]:
        del entry["context"]["user"]
    found = await target(yaml.safe_dump(config))
    assert (found.bearer, dict(found.headers)) == (None, {})


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ({"exec": {"command": "x", "apiVersion": "v1"}}, "exec"),
        ({"tokenFile": "/etc/shadow"}, "tokenFile"),
        ({"client-key": "/etc/ssl/private/x"}, "client-key"),
    ],
)
async def test_somebody_elses_kubeconfig_reads_and_runs_nothing_here(user, named):
    with pytest.raises(InvalidCredentials, match=named):
        await target(text(**user), local=False)


async def test_somebody_elses_token_is_welcome():
    assert (await target(text(), local=False)).bearer() == "t0ken"


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "schlüssel"])
async def test_tokens_that_no_header_can_hold(token):
    with pytest.raises(InvalidCredentials, match="The token"):
        await target(text(token=token))


async def test_auth_providers():
    with pytest.raises(InvalidCredentials, match="'gcp' is not supported"):
        await target(text(**{"auth-provider": {"name": "gcp"}}))
    config = {"idp-issuer-url": "https://idp", "client-id": "c", "id-token": "not-a-jwt"}
    found = await target(text(**{"auth-provider": {"name": "oidc", "config": config}}))
    assert type(found.bearer).__name__ == "OidcBearer"


PLUGIN = """
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
status = {"token": "from-" + info["spec"].get("cluster", {}).get("server", "nowhere")}
status["token"] += "-" + os.environ.get("WHO", "") + "-" + repr(sys.stdin.read())
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""
V1 = "client.authentication.k8s.io/v1"


def plugin(code, **more):
    return {"apiVersion": V1, "command": sys.executable, "args": ["-c", code], **more}


async def test_an_exec_plugin_gets_what_it_needs_and_no_stdin():
    section = plugin(PLUGIN, env=[{"name": "WHO", "value": "jane"}], provideClusterInfo=True)
    found = await target(text(exec=section))
    assert await found.bearer() == "from-https://api.prod:6443/-jane-''"
    found = await target(text(exec=plugin(PLUGIN)))
    assert await found.bearer() == "from-nowhere--''"


async def test_an_exec_plugin_cannot_read_what_is_meant_for_us():
    reading, writing = os.pipe()
    os.write(writing, b"a message of an MCP client")
    os.close(writing)
    ours = os.dup(0)
    os.dup2(reading, 0)
    try:
        found = await target(text(exec=plugin(PLUGIN)))
        assert await found.bearer() == "from-nowhere--''"
        assert os.read(0, 100) == b"a message of an MCP client"
    finally:
        os.dup2(ours, 0)
        os.close(reading)
        os.close(ours)


async def test_an_exec_plugin_may_give_a_certificate():
    status = {"clientCertificateData": PEM, "clientKeyData": "KEY"}
    code = (
        f"print({{'apiVersion': '{V1}', 'status': {status}}}.__repr__().replace(chr(39), chr(34)))"
    )
    found = await target(text(exec=plugin(code)))
    assert (found.tls.client_cert, found.tls.client_key) == (PEM, "KEY")
    assert await found.bearer() is None


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"command": "no-such-plugin", "apiVersion": V1}, "no-such-plugin is not installed"),
        ({"command": "/", "apiVersion": V1}, "cannot be run"),
        ({"apiVersion": V1, "args": ["x"]}, "incomplete"),
        (plugin("import sys; sys.exit('log in first')"), "ended with 1: log in first"),
        (plugin("print('hello')"), "no usable ExecCredential"),
        (plugin("print('[]')"), "no usable ExecCredential"),
        (plugin('print(\'{"apiVersion": "v0", "status": {"token": "x"}}\')'), "no usable"),
        (plugin(f'print(\'{{"apiVersion": "{V1}", "status": {{}}}}\')'), "no usable"),
    ],
)
async def test_exec_plugins_that_fail(section, message):
    with pytest.raises(InvalidCredentials, match=message):
        await target(text(exec=section))


async def test_an_exec_plugin_that_prints_for_ever_is_ended():
    code = "while True: print('no credential', flush=True)"
    with pytest.raises(InvalidCredentials, match="printed more than 1048576 bytes"):
        await target(text(exec=plugin(code)))


async def test_an_exec_plugin_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr("aiops_mcp.backends.exec_plugin.RUN_SECONDS", 0.3)
    with pytest.raises(InvalidCredentials, match=r"did not end within 0\.3 s"):
        await target(text(exec=plugin("import time; time.sleep(60)")))


def test_contexts_that_lead_nowhere_are_named():
    config = document()
    config["contexts"].append({"name": "astray", "context": {"cluster": "none"}})
    source = yaml.safe_dump(config)
    assert broken_contexts(source) == ("lost", "astray")
    assert not {"lost", "astray"} & {each.name for each in contexts(source)}
