"""`aiops traces …` over the simulated fleet."""

import pytest
import typer

from agents import cli, cli_traces


@pytest.fixture(scope="module", autouse=True)
def _traces() -> None:
    if not any(group.name == "traces" for group in cli.app.registered_groups):
        cli_traces.register(cli.app)


def test_from_the_fleet_to_one_trace(aiops) -> None:
    found = aiops("--demo", "traces", "search", "--since", "30m").json()
    assert "root operations" in found["headline"]
    columns = found["columns"]
    trace_id = found["rows"][0][columns.index("slowest")]
    one = aiops("--demo", "traces", "get", trace_id, "--no-compare").json()
    assert one["columns"][0] == "critical path"
    assert not any("against" in note for note in one["notes"])


def test_search_passes_on_what_was_said(aiops) -> None:
    found = aiops(
        "--demo", "traces", "search", "pay*", "-o", "POST*", "--slower", "5", "--faster", "90000",
        "--failed", "--tag", "k8s.namespace.name=shop", "-c", "prod-frankfurt", "--limit", "5",
    ).json()  # fmt: skip
    assert found["query"] == (
        '{ resource.service.name =~ "^(?:pay.*)$" && name =~ "^(?:POST.*)$" && '
        '.k8s.namespace.name = "shop" && status = error && duration >= 5ms && '
        "duration <= 90000ms }"
    )
    raw = aiops("--demo", "traces", "search", "-q", "{ duration > 1ms }", "-c", "fleet-hub").json()
    assert raw["query"] == "{ duration > 1ms }"


def test_names_and_the_graph(aiops) -> None:
    services = aiops("--demo", "traces", "services", "-c", "prod-frankfurt").json()
    assert "payment" in {row[0] for row in services["rows"]}
    operations = aiops("--demo", "traces", "operations", "payment", "-c", "prod-frankfurt").json()
    assert "POST /charges" in {row[0] for row in operations["rows"]}
    graph = aiops("--demo", "traces", "graph", "checkout", "-c", "prod-frankfurt", "-n", "5").json()
    assert any(row[0].startswith("checkout -> ") for row in graph["rows"])


def test_what_cannot_be_asked(aiops) -> None:
    wrong = aiops("--demo", "traces", "search", "--tag", "novalue")
    assert wrong.code == 2
    assert "'novalue' is not key=value" in wrong.error()["message"]
    assert aiops("--demo", "traces", "get", "xyz").code == 2
    nobody = aiops("--demo", "traces", "get", "1234")
    assert nobody.error()["code"] == "TRACE_NOT_FOUND"
    none = aiops("traces", "services").error()
    assert none["code"] == "TEMPO_NOT_AVAILABLE"


def test_register_adds_one_group() -> None:
    app = typer.Typer()
    cli_traces.register(app)
    [group] = app.registered_groups
    names = {command.name for command in group.typer_instance.registered_commands}
    assert names == {"search", "get", "services", "operations", "graph"}
