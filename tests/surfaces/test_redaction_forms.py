"""Secrets in the forms in which clusters show them: variables, URLs, manifests, cookies, keys."""

import base64
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.redaction import clean_json, clean_text

S = "s3cr3tValue9X7"
B64 = base64.b64encode(S.encode()).decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123456ghi"


@pytest.mark.parametrize(
    "text",
    [
        f"export REDIS_PASS={S}",
        f"API_SECRET={S} JOBS=4",
        f"GITHUB_TOKEN={S}",
        f"ENCRYPTION_KEY='{S}'",
        f"Server=x;Uid=sa;Pwd={S};Encrypt=yes",
        f"DefaultEndpointsProtocol=https;AccountKey={S};EndpointSuffix=x",
        f"postgres://user:{S}@db:5432/x?sslmode=disable",
        f"jdbc:postgresql://h/db?user=u&password={S}&x=1",
        f"Cookie: session={S}; theme=dark",
        f"Set-Cookie: sid={S}; HttpOnly",
        f"https://x.blob.core.windows.net/c?sv=2020&sig={S}%3D&se=2026",
        f"mysql --user root --password {S}",
        f"deploy --token {S} --yes",
        f'password="my {S} phrase"',
        f'{{"auths":{{"r":{{"auth":"{B64}"}}}}}}'.replace(B64, S),
        f"jwt_secret: {S}",
        f"users:\n- user:\n    token: {S}longer123\n    client-key-data: {S}",
        f"X-Auth-Token: {S}",
        f"https://hooks.slack.com/services/T000/B000/{S}",
        f"sk_live_{S}abcdef",
        f"npm_{S}0123456789abcdefghijkl",
        f"SG.{S}abcd.{S}efgh",
        f"hvs.{S}abcdefgh",
        f"ya29.{S}abcdefgh",
    ],
)
def test_no_form_leaves(text: str) -> None:
    cleaned = clean_text(text)
    assert S not in cleaned
    assert "[redacted:" in cleaned
    assert clean_text(cleaned) == cleaned
    assert clean_text(text) == cleaned  # the placeholder is stable


@pytest.mark.parametrize(
    "text",
    [
        "set --token FILE or --password-file PATH",
        "cookie: disabled",
        "partition key=user_id, sort key=created",
        "kube_secret_info{namespace='web',secret='web-tls'}",
        "the secret web-tls is missing",
        "exit code=137 signature=none",
        "https://example.org/search?code=200&page=2",
        "task_key=abc-123",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "value",
    [
        {"env": [{"name": "DB_PASS", "value": S}, {"name": "MASTER_KEY", "value": S}]},
        {"labels": {"token": S}, "annotations": {"x": JWT}},
        {"labels": {"api_secret": S}},
        {"auths": {"registry": {"auth": B64}}},
        {"kind": "SecretList", "items": [{"data": {"a": B64}}, "odd", None]},
        {"kind": "Secret", "data": {"a": B64}, "stringData": {"b": S}},
        {"kind": "ConfigMap", "data": {"app.properties": f"db.password={S}\nlevel=info"}},
        {"metadata": {"annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": orjson.dumps(
                {"kind": "Secret", "data": {"plain": B64, "password": B64}}).decode()}}},
    ],
)  # fmt: skip
def test_no_structure_leaves(value) -> None:
    text = orjson.dumps(clean_json(value)).decode()
    assert S not in text
    assert B64 not in text
    assert JWT not in text
    assert "[redacted:" in text


def test_what_stands_beside_a_secret_stays() -> None:
    applied = {"kind": "Secret", "metadata": {"name": "web"}, "data": {"a": B64}}
    note = {"kubectl.kubernetes.io/last-applied-configuration": orjson.dumps(applied).decode()}
    kept = orjson.loads(next(iter(clean_json(note).values())))
    assert kept["metadata"] == {"name": "web"}
    assert clean_json({"env": [{"name": "LEVEL", "value": "info"}]})["env"][0]["value"] == "info"
    broken = {"kubectl.kubernetes.io/last-applied-configuration": "{not json password=abcdef1"}
    assert "abcdef1" not in next(iter(clean_json(broken).values()))


@pytest.mark.parametrize(
    "unit",
    [
        "A_",
        "PASSWORD",
        "--token ",
        "cookie:",
        "a=",
        "eyJaaaaaaaa.",
        '"auth":"',
        "://",
        "?sig=",
        "x" * 7,
    ],
)
def test_long_texts_take_no_long_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    clean_text(text)
    assert time.process_time() - began < 2.0


@given(st.text(max_size=300))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
