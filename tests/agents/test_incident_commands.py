"""`aiops investigate` and `aiops incidents` over the simulated fleet, in this process."""

import pytest

INCIDENT = {"AIOPS_DEMO_INCIDENTS": "storage-gone", "AIOPS_INVESTIGATE": "off"}

pytestmark = pytest.mark.timeout(60)


def test_investigated_listed_taken_on_noted_resolved_and_reopened(aiops) -> None:
    def run(*arguments: str):
        return aiops("--demo", *arguments, **INCIDENT).json()

    assert run("incidents")["headline"] == "No incident."
    told = run("investigate", "--cluster", "dev-dublin")
    assert told["headline"].startswith("batch/warehouse-")
    assert "WARNING, OPEN, 1 alert on dev-dublin since" in told["headline"]
    assert "batch/warehouse-scratch" in " ".join(told["notes"])
    assert told["columns"] == ["time", "source", "cluster", "what", "evidence"]
    assert [row[1] for row in told["rows"]][-1] == "rca"
    assert told["notes"][0].startswith("cause 1, score 0.")
    assert told["coverage"] == "simulated fleet"
    incident = told["more"].rpartition(" ")[2]
    (row,) = run("incidents", "list", "--state", "open")["rows"]
    assert (row[0], row[1], row[4]) == (incident, "OPEN", "dev-dublin")
    assert run("incidents", "--severity", "info")["headline"] == "No incident."
    assert (
        "ACKNOWLEDGED, taken on by local"
        in (run("incidents", "ack", incident, "-m", "I look")["headline"])
    )
    noted = run("incidents", "note", incident, "the", "volume", "is", "gone")
    assert noted["notes"][-1].endswith(": the volume is gone")
    assert "RESOLVED" in run("incidents", "resolve", incident)["headline"]
    assert ", OPEN, " in run("incidents", "reopen", incident)["headline"]
    shown = run("incidents", "show", incident)
    people = [row[3] for row in shown["rows"] if row[1] == "person"]
    assert people == [
        "local asked for it",
        "local acknowledged it",
        "local noted: I look",
        "local noted: the volume is gone",
        "local resolved it",
        "local reopened it",
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("incidents", "show", "nobody"), "INCIDENT_NOT_FOUND"),
        (("incidents", "--cluster", "nobody"), "CLUSTER_NOT_FOUND"),
        (("incidents", "--state", "gone"), "VALIDATION_FAILED"),
        (("investigate",), "VALIDATION_FAILED"),
    ],
)
def test_what_cannot_be_is_told(aiops, arguments, code) -> None:
    assert aiops("--demo", *arguments, **INCIDENT).error()["code"] == code
