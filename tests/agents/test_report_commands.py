"""`aiops report`: made, saved, listed, shown, fetched and deleted, with what went wrong said."""

import json
from pathlib import Path

import pytest

ADD = ("clusters", "add", "shop-one", "https://127.0.0.1:1")


@pytest.fixture
def made(aiops, tmp_path) -> tuple[str, Path]:
    """A report of a fleet whose one cluster is away: its id, and the file it was saved in."""
    aiops(*ADD)
    file = tmp_path / "plan.md"
    told = aiops("report", "new", "capacity", "-o", str(file), "--title", "Our plan", "--json")
    assert told.code == 0, told.err
    digest = json.loads(told.out)
    assert digest["headline"].startswith("Our plan. ")
    assert f"aiops report download {digest['rows'][0][0]}" in digest["more"]
    return digest["rows"][0][0], file


def test_the_ending_says_the_form_and_the_file_is_there(made) -> None:
    _, file = made
    text = file.read_text("utf-8")
    assert text.startswith("# Our plan\n")
    assert "| shop-one |" in text


def test_it_is_listed_shown_fetched_and_deleted(aiops, made, tmp_path) -> None:
    report, file = made
    rows = aiops("report", "list").json()["rows"]
    assert [row[0] for row in rows] == [report]
    assert rows[0][2:4] == ["CAPACITY_PLAN", "MARKDOWN"]
    assert aiops("report", "list", "--type", "executive").json().get("rows", []) == []
    assert aiops("report", "show", report).json()["headline"].startswith("Our plan. ")
    assert aiops("report", "download", report, "-o", "-").out.encode() == file.read_bytes()
    folder = tmp_path / "into"
    folder.mkdir()
    assert aiops("report", "download", report, "-o", str(folder)).code == 0
    (saved,) = folder.iterdir()
    assert saved.name.startswith("our-plan-")
    assert saved.suffix == ".md"
    assert saved.read_bytes() == file.read_bytes()
    refused = aiops("report", "rm", report)
    assert refused.code == 1
    assert len(aiops("report", "list").json()["rows"]) == 1
    assert aiops("report", "rm", report, "--yes").json()["headline"].startswith("Deleted")
    gone = aiops("report", "show", report)
    assert gone.error()["code"] == "REPORT_NOT_FOUND"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("new", "weekly"), "VALIDATION_FAILED"),
        (("new", "capacity", "-f", "docx"), "VALIDATION_FAILED"),
        (("new", "capacity", "--alert", "0f"), "VALIDATION_FAILED"),
        (("new", "capacity", "-c", "nobody-there"), "CLUSTER_NOT_FOUND"),
        (("new", "incident", "--alert", "00ff"), "ALERT_NOT_FOUND"),
        (("show", "no-id-at-all"), "REPORT_NOT_FOUND"),
        (("download", "00000000-0000-0000-0000-000000000000"), "REPORT_NOT_FOUND"),
        (("rm", "no-id-at-all", "--yes"), "REPORT_NOT_FOUND"),
    ],
)
def test_what_cannot_be_is_told(aiops, arguments, code) -> None:
    aiops(*ADD)
    assert aiops("report", *arguments).error()["code"] == code


def test_a_place_that_cannot_be_written_is_told_and_the_report_is_kept(aiops, tmp_path) -> None:
    aiops(*ADD)
    told = aiops("report", "new", "capacity", "-o", str(tmp_path / "no-folder" / "plan.html"))
    assert told.code == 2
    assert "cannot be written" in told.err
    assert len(aiops("report", "list").json()["rows"]) == 1
