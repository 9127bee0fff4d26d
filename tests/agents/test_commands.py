"""`aiops`: tables and JSON, exit codes, errors with what to do, and nothing secret in them."""

import json
from pathlib import Path

import pytest

from agents.cli import output_options_first

SECRET = "a-bearer-token-nobody-may-see-4711"
ADD = ("clusters", "add", "shop-one", "https://127.0.0.1:1")


def test_a_fleet_of_none_says_how_to_get_one(aiops) -> None:
    listed = aiops("clusters", "list").json()
    assert listed.get("rows", []) == []
    findings = aiops("doctor").json()
    step = next(row[2] for row in findings["rows"] if row[0] == "clusters")
    assert step.startswith("aiops clusters import")


def test_a_cluster_is_added_listed_shown_and_removed(aiops) -> None:
    added = aiops(*ADD, "--type", "edge", "--env", "production", "--label", "team=ml")
    assert added.code == 0, added.err
    row = aiops("clusters", "list", "--type", "edge").json()["rows"][0]
    assert row[:2] == ["shop-one", "OFFLINE"]
    assert aiops("clusters", "list", "--type", "hub").json().get("rows", []) == []
    shown = aiops("clusters", "show", "shop-one").json()
    assert ["type", "EDGE PRODUCTION"] in shown["rows"]
    assert aiops("clusters", "list", "--label", "team=ml").json()["rows"] == [row]
    planned = aiops("clusters", "remove", "shop-one", "--dry-run").json()
    assert planned["headline"].startswith("Would remove shop-one")
    assert len(aiops("clusters", "list").json()["rows"]) == 1
    assert (
        aiops("clusters", "remove", "shop-one", "--yes").json()["headline"] == "Removed shop-one."
    )
    assert aiops("clusters", "list").json().get("rows", []) == []


def test_a_dry_run_changes_nothing(aiops) -> None:
    planned = aiops(*ADD, "--dry-run").json()
    assert planned["headline"].startswith("Would register shop-one")
    assert aiops("clusters", "list").json().get("rows", []) == []


def test_removing_in_a_pipe_needs_a_yes(aiops) -> None:
    aiops(*ADD)
    refused = aiops("clusters", "remove", "shop-one")
    assert refused.code == 2
    assert "--yes" in refused.error()["hint"]
    assert len(aiops("clusters", "list").json()["rows"]) == 1


def test_the_form_of_the_output_may_be_said_after_the_command(aiops) -> None:
    listed = aiops("clusters", "list", "--json")
    assert json.loads(listed.out)["headline"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(aiops("clusters", "list", "--table").out)


def test_what_follows_two_dashes_is_no_option() -> None:
    assert output_options_first(["query", "--json", "--", "--table"]) == [
        "--json",
        "query",
        "--",
        "--table",
    ]


def test_an_added_cluster_is_one_document_with_its_first_check(aiops) -> None:
    headline = aiops(*ADD).json()["headline"]
    assert headline.startswith("Registered shop-one. shop-one is OFFLINE")


def test_a_ca_counts_without_a_token(aiops, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("no certificate")
    refused = aiops(*ADD, "--ca-file", str(ca))
    assert refused.error()["code"] == "CREDENTIALS_INVALID"


def test_a_table_where_one_is_wanted(aiops) -> None:
    aiops(*ADD)
    table = aiops("--table", "clusters", "list")
    assert table.code == 0
    lines = table.out.splitlines()
    assert lines[1].split()[:2] == ["NAME", "STATE"]
    assert any(line.startswith("shop-one ") and " OFFLINE " in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "error_code", "says", "hint"),
    [
        (("clusters", "show", "shop-onn"), 1, "CLUSTER_NOT_FOUND", "shop-onn", "shop-one"),
        (("query", "up", "-c", "shop-tow"), 1, "CLUSTER_NOT_FOUND", "shop-tow", "shop-one"),
        (("query", "sum(up"), 2, "INVALID_PROMQL", "1:7", ""),
        (("query", "up", "-c", "colour=red"), 2, "VALIDATION_FAILED", "colour", "type"),
        (("query", "up", "--since", "1h", "--until", "2h"), 2, "VALIDATION_FAILED", "ends", "Swap"),
        (("query", "up", "--aggregation", "median"), 2, "VALIDATION_FAILED", "aggregation", ""),
        (("alerts", "--severity", "loud"), 2, "VALIDATION_FAILED", "severity", ""),
        (("clusters", "add", "Bad_Name", "https://x"), 2, "INVALID_CLUSTER_NAME", "Bad_Name", ""),
        (("clusters", "add", "good-name", "ftp://x"), 2, "VALIDATION_FAILED", "api_server_url", ""),
        (ADD, 1, "CLUSTER_ALREADY_EXISTS", "shop-one", ""),
        (("clusters", "import", "/no/such/file"), 2, "VALIDATION_FAILED", "/no/such/file", "path"),
        (("clusters", "credentials", "shop-one"), 2, "VALIDATION_FAILED", "credentials", "--token"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_error_says_what_was_wrong_and_what_to_do(
    aiops, arguments, code: int, error_code: str, says: str, hint: str
) -> None:
    assert aiops(*ADD).code == 0
    ended = aiops(*arguments)
    error = ended.error()
    assert error["code"] == error_code
    assert says in error["message"]
    assert hint in (error["hint"] or "")
    assert ended.code == code
    assert ended.out == ""


def test_an_error_on_a_terminal_is_two_lines(aiops) -> None:
    ended = aiops("--table", "clusters", "show", "nobody")
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert "{" not in ended.err


def test_an_unknown_option_is_bad_input(aiops) -> None:
    ended = aiops("query", "up", "--sinse", "1h")
    assert ended.code == 2
    assert "--since" in ended.err


def test_nobody_answered_is_a_failure(aiops) -> None:
    aiops(*ADD)
    ended = aiops("query", "up", "-c", "shop-one")
    assert ended.code == 1
    assert "shop-one" in ended.err


def test_no_secret_is_printed_or_kept_in_the_clear(aiops, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    said = [
        aiops(*ADD, "--token-file", str(token)),
        aiops("clusters", "show", "shop-one"),
        aiops("clusters", "credentials", "shop-one", "--token-file", "-", stdin=SECRET),
        aiops("clusters", "credentials", "shop-one", "--validate"),
        aiops("doctor"),
        aiops("clusters", "list"),
    ]
    assert all(SECRET not in ended.out + ended.err for ended in said)
    token.unlink()
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path.name
    assert (tmp_path / "vault.key").stat().st_mode & 0o077 == 0


def test_a_kubeconfig_that_is_none(aiops, tmp_path: Path) -> None:
    broken = tmp_path / "kubeconfig"
    for text in ("", "just words", "a: [", "clusters: 7", "\0"):
        broken.write_text(text)
        error = aiops("clusters", "import", str(broken)).error()
        assert error["code"] == "CREDENTIALS_INVALID"
        assert error["hint"] == "Check it with: kubectl config view"
    broken.write_text("contexts: [{name: x}]")
    ended = aiops("clusters", "import", str(broken))
    assert ended.code == 1
    assert json.loads(ended.out)["headline"] == "1 failed."


def test_doctor_names_the_next_step(aiops, tmp_path: Path) -> None:
    aiops(*ADD)
    (tmp_path / "vault.key").touch(mode=0o644)
    rows = {row[0]: row for row in aiops("doctor").json()["rows"]}
    assert rows["cluster shop-one"][2] == "aiops clusters credentials shop-one --kubeconfig FILE"
    assert rows["vault"][2] == f"chmod 600 {tmp_path / 'vault.key'}"
    assert rows["writing"][1] == "read-only"


def test_doctor_with_a_server_that_is_away(aiops) -> None:
    rows = {row[0]: row for row in aiops("--server", "http://127.0.0.1:1", "doctor").json()["rows"]}
    assert rows["server"][1].startswith("FAILING: ")
    assert "aiops serve" in rows["server"][2]


def test_a_server_that_is_away_is_said(aiops) -> None:
    ended = aiops("--server", "http://127.0.0.1:1", "fleet")
    assert ended.code == 1
    assert "aiops serve" in ended.error()["hint"]


def test_a_fresh_vault_key_is_one(aiops) -> None:
    from cryptography.fernet import Fernet

    one, other = (aiops("doctor", "--new-vault-key").out.strip() for _ in range(2))
    assert one != other
    assert Fernet(one.encode()).encrypt(b"x")


def test_the_demo_answers_without_anything(aiops) -> None:
    summary = aiops("--demo", "fleet").json()
    assert summary["headline"].startswith("15 clusters: ")
    nodes = aiops("--demo", "gpu", "nodes", "-c", "has=gpu").json()
    assert {row[0] for row in nodes["rows"]} == {"ml-frankfurt", "ml-oregon", "ml-zurich"}
    wrong = aiops("--demo", "query", "topk(3,")
    assert wrong.error()["code"] == "INVALID_PROMQL"
