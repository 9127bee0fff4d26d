"""`aiops get`, `show`, `events`, `pod-logs`, `unhealthy`, `changes`, `compare` on the demo."""

import pytest

from agents import cli, cli_kubernetes


@pytest.fixture(scope="module", autouse=True)
def _registered():
    known = {command.name for command in cli.app.registered_commands}
    if "unhealthy" not in known:
        cli_kubernetes.register(cli.app)


@pytest.fixture
def demo(aiops):
    def run(*arguments, incidents="bad-rollout"):
        return aiops("--demo", *arguments, AIOPS_DEMO_INCIDENTS=incidents)

    return run


def test_objects_are_found_and_shown(demo):
    found = demo("get", "po", "payment", "-c", "prod-virginia").json()
    assert "CrashLoopBackOff" in str(found["rows"])
    shown = demo("show", "prod-virginia", "deploy", "payment", "-N", "shop").json()
    assert shown["headline"].startswith("Deployment shop/payment on prod-virginia; not well")
    assert "ProgressDeadlineExceeded" in str(shown["rows"])
    assert demo("get", "podz").error()["details"]["near"] == ["pods"]


def test_what_is_wrong_what_was_said_and_what_changed(demo):
    wrong = demo("unhealthy", "-c", "prod-virginia", "--severity", "critical").json()
    assert "PAYMENT_PROVIDER_URL" in str(wrong["rows"])
    said = demo("events", "-c", "prod-virginia", "--warnings", "--name", "payment").json()
    assert said["rows"][0][:2] == ["Warning", "BackOff"]
    log = demo("pod-logs", "prod-virginia", "payment", "--tail", "20").json()
    assert "most trouble" in str(log["notes"])
    changed = demo("changes", "--change", "rollout", "--before", "now", "--hours", "3h").json()
    assert "1.20.0" in str(changed["rows"])
    job = demo("changes", "--change", "job", "--hours", "24h").json()
    assert "deployment" not in job["headline"].lower()
    nothing = demo("changes", "--change", "upgrade").json()
    assert nothing["headline"].startswith("Nothing changed in the 6h")


def test_clusters_are_compared(demo):
    differ = demo("compare", "prod-frankfurt", "prod-virginia", "--area", "images").json()
    assert "payment:1.20.0" in str(differ["rows"])
    assert demo("compare", "prod-frankfurt").error()["code"] == "VALIDATION_FAILED"
    assert demo("changes", "--before", "soon").error()["code"] == "VALIDATION_FAILED"
