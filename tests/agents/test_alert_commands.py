"""`aiops alerts …` against the simulated fleet, in this process."""

import pytest


def test_a_silence_is_tried_made_listed_and_ended(aiops):
    words = ("alertname=Watchdog", "-c", "fleet-hub", "--for", "2h", "-m", "maintenance")
    plan = aiops("--demo", "alerts", "silence", *words, "--dry-run").json()
    assert plan["headline"].startswith('Would silence alertname="Watchdog" for 2h. It would mute 1')
    unasked = aiops("--demo", "alerts", "silence", *words)
    assert unasked.code == 1
    assert "Nothing was changed" in unasked.err
    made = aiops("--demo", "alerts", "silence", *words, "--yes").json()
    assert made["rows"][0][:2] == ["fleet-hub", "CREATED"]


def test_too_long_a_silence_is_refused(aiops):
    words = ("alertname=X", "-c", "fleet-hub", "--for", "60d", "-m", "maintenance")
    error = aiops("--demo", "alerts", "silence", *words, "--yes").error()
    assert error["code"] == "VALIDATION_FAILED"
    assert "up to 168 hours" in error["message"]


def test_a_silence_of_everything_is_refused(aiops):
    words = ('alertname=~".*"', "-c", "fleet-hub", "--for", "1h", "-m", "maintenance")
    assert "fit every alert" in aiops("--demo", "alerts", "silence", *words).error()["message"]


def test_the_secret_is_shown_with_the_receiver(aiops):
    made = aiops("--demo", "alerts", "webhook-secret", "fleet-hub").json()
    assert "shown only now" in made["headline"]
    assert any("credentials: whs_" in line for line in made["notes"])
    removed = aiops("--demo", "alerts", "webhook-secret", "fleet-hub", "--remove").json()
    assert removed["headline"] == "No webhooks of fleet-hub are taken any more."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check",), "rules looked at"),
        (("rules", "--name", "Watchdog"), "rules, page 1 of"),
        (("targets",), "Targets: "),
        (("silences",), "0 silences"),
        (("history", "--since", "1d"), "0 alerts fired between 1d and now"),
        ((), "No alerts in the clusters"),
    ],
)
def test_every_question_has_an_answer(aiops, words, said):
    assert said in aiops("--demo", "alerts", *words).json()["headline"]


def test_one_alert_by_its_fingerprint(aiops):
    assert aiops("--demo", "alerts", "show", "abc").error()["code"] == "ALERT_NOT_FOUND"


def test_a_namespace_and_what_is_suppressed(aiops):
    found = aiops("--demo", "alerts", "--suppressed", "--namespace", "nowhere").json()
    assert found["headline"] == "No alerts in the clusters that answered."
    assert not found.get("notes")  # the dead-man's switch has no namespace
    [note] = aiops("--demo", "alerts", "--suppressed").json()["notes"]
    assert note.startswith("dead-man's switch fires as it should in ")
