"""What may import what: the declared layers, and the libraries that stay in one place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path for room in ("aiops_mcp", "agents", "personas") for path in (ROOT / room).rglob("*.py")
)


def imported(path: Path) -> Iterator[str]:
    """The top-level packages a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def places(packages: set[str]) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in MODULES if packages & set(imported(path))}


def reads_environment(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {alias.name for alias in node.names}
            if names & {"environ", "environb", "getenv"}:
                return True
    return False


def test_the_layers_point_down(tmp_path: Path) -> None:
    checked = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports_command as c; c()",
            "--no-logo",
            "--cache-dir",
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 broken" in checked.stdout


def test_only_the_mcp_surface_imports_the_mcp_libraries() -> None:
    inside = {place for place in places({"fastmcp", "mcp", "mcp_types"}) if place[:5] == "aiops"}
    assert "aiops_mcp/surfaces/mcp_server.py" in inside
    assert [p for p in sorted(inside) if not p.startswith("aiops_mcp/surfaces/mcp")] == []


def test_only_settings_reads_the_environment() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in MODULES if reads_environment(path)}
    assert found == {"aiops_mcp/settings.py"}


@pytest.mark.parametrize(
    ("packages", "allowed"),
    [
        ({"redis"}, ("aiops_mcp/events/redis", "aiops_mcp/fleet/cache", "aiops_mcp/surfaces/rate")),
        ({"sqlalchemy", "alembic", "aiosqlite", "asyncpg"}, ("aiops_mcp/storage/",)),
        ({"kubernetes"}, ("aiops_mcp/backends/",)),
        ({"promql_parser"}, ("aiops_mcp/promql/",)),
        (
            {"httpx2"},
            (
                "aiops_mcp/backends/",
                "aiops_mcp/app.py",
                "aiops_mcp/simulation/",
                "aiops_mcp/simulating.py",  # the simulated Alertmanagers send webhooks
                "agents/",
            ),
        ),
        (
            {"uvicorn"},
            (
                "aiops_mcp/serving.py",
                "aiops_mcp/simulation/",
                "aiops_mcp/simulating.py",
                "aiops_mcp/surfaces/stream_server.py",  # writes shared frames past its queue
            ),
        ),
        ({"openai"}, ("agents/",)),
        ({"httpx", "requests", "aiohttp"}, ()),
    ],
    ids=lambda value: next(iter(sorted(value))) if isinstance(value, set) else "",
)
def test_a_library_stays_in_its_room(packages: set[str], allowed: tuple[str, ...]) -> None:
    assert [place for place in sorted(places(packages)) if not place.startswith(allowed)] == []


def test_modules_stay_readable() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in MODULES
        if "migrations" not in path.parts
    }
    assert {place: count for place, count in lines.items() if count > 400} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if "migrations" not in path.parts and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_module_is_called_after_nothing() -> None:
    vague = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "handler"}
    assert [path.name for path in MODULES if path.stem in vague] == []
