"""The files others run us with: compose, image, registry entry, client configuration."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from aiops_mcp.settings import Settings

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).parent / "schemas"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))


def problems(document: Any, schema_name: str) -> list[str]:
    schema = json.loads((SCHEMAS / schema_name).read_text("utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def run_program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).with_name(name)
    program = str(beside) if beside.exists() else shutil.which(name)
    if program is None:
        reason = f"the program {name} is not installed"
        if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_compose_fits_the_specification() -> None:
    assert problems(compose(), "compose-spec.json") == []


def test_the_compose_check_can_fail() -> None:
    broken = compose()
    broken["services"]["server"]["prots"] = ["8080:8080"]
    assert "prots" in problems(broken, "compose-spec.json")[0]


def test_compose_starts_server_database_and_redis_and_the_rest_by_profile() -> None:
    services = compose()["services"]
    plain = {name for name, service in services.items() if not service.get("profiles")}
    assert plain == {"server", "postgres", "redis"}
    assert {name for name in services if services[name].get("profiles") == ["backends"]} == {
        *("prometheus", "alertmanager", "loki", "tempo", "vllm")
    }
    assert int(services["postgres"]["image"].partition(":")[2].partition("-")[0]) >= 15
    assert int(services["redis"]["image"].partition(":")[2].partition("-")[0]) >= 7
    for service in services.values():
        for published in service.get("ports", ()):
            assert published.startswith("127.0.0.1:")


def test_compose_names_settings_that_exist_and_holds_no_secret() -> None:
    server = compose()["services"]["server"]
    assert {f"AIOPS_{name.upper()}" for name in Settings.model_fields} >= set(server["environment"])
    for name in ("AIOPS_API_TOKENS", "AIOPS_VAULT_KEYS"):
        assert server["environment"][name].startswith(f"${{{name}:?")
    assert "${POSTGRES_PASSWORD:?" in server["environment"]["AIOPS_DATABASE_URL"]
    assert "${REDIS_PASSWORD:?" in server["environment"]["AIOPS_REDIS_URL"]


def test_files_that_compose_mounts_are_there() -> None:
    named = set(compose()["volumes"])
    for service in compose()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in named or (ROOT / "deploy" / source).is_file(), source


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    # The paths are those inside the container.
    for name in ("prometheus.yml", "rules.yml"):
        text = (ROOT / "deploy" / "compose" / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/etc/prometheus", str(tmp_path)), "utf-8")
    local = tmp_path / "prometheus.yml"
    checked = run_program("promtool", "check", "config", str(local))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_image_passes_hadolint() -> None:
    checked = run_program("hadolint", "Dockerfile")
    assert checked.returncode == 0, checked.stdout


def test_the_image_runs_as_a_plain_user_and_copies_what_is_there() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    users = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert users
    assert users[-1].partition(":")[0] not in {"0", "root"}
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    assert f"image: aiops-mcp:{PROJECT['version']}" in (ROOT / "deploy/compose.yaml").read_text()


def test_the_registry_entry_fits_its_schema_and_the_package() -> None:
    entry = json.loads((ROOT / "server.json").read_text("utf-8"))
    assert problems(entry, "server.schema.json") == []
    assert entry["$schema"] == json.loads((SCHEMAS / "server.schema.json").read_text())["$id"]
    package = entry["packages"][0]
    assert (package["identifier"], package["version"]) == (PROJECT["name"], PROJECT["version"])
    assert entry["version"] == PROJECT["version"]
    # The registry proves ownership of a PyPI package by this line in its description.
    assert f"mcp-name: {entry['name']}" in (ROOT / "README.md").read_text("utf-8")


def test_the_client_configuration_starts_the_server_of_this_clone() -> None:
    entry = json.loads((ROOT / "mcp.json").read_text("utf-8"))["mcpServers"]["aiops"]
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    # What make would set up stands beside this interpreter already.
    commands = subprocess.run(
        [entry["command"], *entry["args"], "--dry-run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "exec .venv/bin/aiops-mcp" in commands.stdout
    answer = subprocess.run(
        [Path(sys.executable).with_name("aiops-mcp")],
        input=json.dumps(asked).encode() + b"\n",
        capture_output=True,
        check=True,
        timeout=25,
    )
    assert json.loads(answer.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "aiops"


def test_ci_runs_the_same_command() -> None:
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]["test"]
    assert steps["steps"][-1] == {"run": ".ci/run"}
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")
