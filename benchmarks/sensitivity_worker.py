"""The figures of one kind of data with some numbers of the analysis moved: JSON on standard output.

    python benchmarks/sensitivity_worker.py KIND DATADIR SCORERS FACTOR [LOCATION …]

A number is moved before its module is compiled, so whatever is derived from it moves as well. It
runs in a process of its own, since a module is compiled once.
"""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

PACKAGE = "aiops_mcp.analysis"
Number = int | float
Figures = dict[str, float]


def moved(number: Number, factor: float) -> Number:
    """A number times the factor; a whole one stays whole, and moves by one at least.

    Large even ones stay even: half of a memory is forgotten at a time.
    """
    if factor == 1.0:
        return number
    if isinstance(number, float):
        return number * factor
    if number >= 100 and number % 2 == 0:
        return 2 * round(number * factor / 2)
    least = number + 1 if factor > 1 else number - 1
    target = round(number * factor)
    return max(target, least) if factor > 1 else max(min(target, least), 1)


class _Mover(ast.NodeTransformer):
    """Multiplies the numbers of some top-level names and arguments' defaults."""

    def __init__(self, names: Sequence[str], factor: float) -> None:
        self._names = set(names)
        self._factor = factor
        self._within: list[str] = []
        self.done: set[str] = set()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if isinstance(node.target, ast.Name) and node.value is not None:
            node.value = self._value(node.target.id, node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            node.value = self._value(node.targets[0].id, node.value)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._into(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._within.append(node.name)
        for place, (argument, default) in enumerate(
            zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        ):
            if default is not None:
                node.args.kw_defaults[place] = self._value(argument.arg, default)
        self._within.pop()
        return node

    def _into(self, node: ast.ClassDef) -> ast.AST:
        self._within.append(node.name)
        self.generic_visit(node)
        self._within.pop()
        return node

    def _value(self, name: str, value: ast.expr) -> ast.expr:
        name = ".".join((*self._within, name))
        if name not in self._names:
            return value
        number = _computed(value)
        self.done.add(name)
        return ast.copy_location(ast.Constant(moved(number, self._factor)), value)


def _computed(value: ast.expr) -> Number:
    """The number that an expression of numbers is (``1 / 3``, ``24 * 60``)."""
    code = compile(ast.Expression(value), "<number>", "eval")
    found = eval(code, {"DAY": 86_400.0, "HOUR": 3600.0})
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError(f"{ast.unparse(value)} is no number")
    return found


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, mover: _Mover) -> None:
        super().__init__(name, path)
        self._mover = mover

    def get_code(self, fullname: str) -> CodeType:
        """From the source each time: what is cached was not moved."""
        path = self.get_filename(fullname)
        tree = self._mover.visit(ast.parse(self.get_data(path), path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class MovingFinder(importlib.abc.MetaPathFinder):
    """Finds the modules that hold a moved number, and moves it."""

    def __init__(self, locations: Sequence[str], factor: float) -> None:
        names: dict[str, list[str]] = {}
        for location in locations:
            module, _, name = location.partition(":")
            names.setdefault(f"{PACKAGE}.{module}", []).append(name)
        self._movers = {module: _Mover(found, factor) for module, found in names.items()}
        self._wanted = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        mover = self._movers.get(fullname)
        if mover is None:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin, mover)
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)

    def check(self) -> None:
        """Raises ``LookupError`` where a name was not met: its place in the list is wrong."""
        for module, names in self._wanted.items():
            missing = set(names) - self._movers[module].done
            if module in sys.modules and missing:
                raise LookupError(f"{module} has no {', '.join(sorted(missing))}")


def _score(scorer: Path, *arguments: str | Path) -> Any:
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [sys.executable, scorer, *arguments, "--json", out.name]
        subprocess.run(command, check=True, capture_output=True)
        return json.loads(Path(out.name).read_text(encoding="utf-8"))


def anomaly(data: Path, scorers: Path, out: Path) -> Figures:
    from public_anomaly import THRESHOLD, run

    scorer, figures = scorers / "score_anomaly.py", Figures()
    for name in ("nab", "kpi"):
        run(data / name, out / name)
        score = _score(scorer, out / name / "score", data / name)
        figures[f"{name} VUS-PR"] = score["vus_pr"]
    alarm = _score(
        scorer, out / "nab" / "alarm", data / "nab", "--no-vus", "--threshold", str(THRESHOLD)
    )
    figures["nab own threshold"] = alarm["nab"]["standard"]["at_threshold"]
    figures["nab best threshold"] = alarm["nab"]["standard"]["best"]
    figures["nab alarm F1"] = alarm["alarms"]["f1"]
    return figures


def window(data: Path, scorers: Path, out: Path) -> Figures:
    """The same series, each judged as a finished window: an alarm where an anomaly begins."""
    import numpy as np
    from public_anomaly import rows_of, seconds, write

    from aiops_mcp.analysis.anomaly import judge

    folder = data / "nab" / "series"
    for path in sorted(folder.rglob("*.csv")):
        rows = rows_of(path)
        times = np.array([seconds(stamp) for stamp, _ in rows])
        values = np.array([float(value) if value.strip() else math.nan for _, value in rows])
        found = judge(times, values)[0]
        alarms = [0.0] * len(rows)
        for each in found.anomalies:
            alarms[each.begin] = 1.0
        name = path.relative_to(folder)
        write(out / "alarm" / name, rows, alarms)
        write(out / "score" / name, rows, np.nan_to_num(found.score).tolist())
    scorer = scorers / "score_anomaly.py"
    alarm = _score(scorer, out / "alarm", data / "nab", "--no-vus")
    return {
        "nab window F1": alarm["alarms"]["f1"],
        "nab window found": alarm["alarms"]["recall"],
        "nab window VUS-PR": _score(scorer, out / "score", data / "nab")["vus_pr"],
    }


def _ranked(names: Sequence[str]) -> Callable[[Path, Path, Path], Figures]:
    def rank(data: Path, scorers: Path, out: Path) -> Figures:
        from public_rca import run

        figures = Figures()
        for name in names:
            run(data / name, out / f"{name}.json")
            found = _score(scorers / "score_rca.py", out / f"{name}.json", data / name)
            for each in ("AC@1", "AC@3"):
                figures[f"{name} {each}"] = found["groups"]["ALL"][each]
            if "metric" in found:
                figures[f"{name} metric AC@1"] = found["metric"]["AC@1"]
            if "quiet_correct" in found:
                figures[f"{name} quiet"] = found["quiet_correct"]
        return figures

    return rank


def logs(data: Path, scorers: Path, out: Path) -> Figures:
    from public_logs import run_logs

    run_logs(data / "loghub", out / "loghub")
    mean = _score(scorers / "score_logs.py", out / "loghub", data / "loghub")["mean"]
    return {f"loghub {name}": mean[name] for name in ("GA", "FGA", "PA")}


def sessions(data: Path, scorers: Path, out: Path) -> Figures:
    from public_logs import run_sessions

    folder = data / "hdfs_sessions"
    run_sessions(folder, out / "sessions.csv")
    found = _score(scorers / "score_logs.py", "--sessions", out / "sessions.csv", folder)
    return {
        "hdfs recall at 0.5 %": found["recall_at_fpr_0.005"],
        "hdfs F1": found["F1_at_hdfs_prevalence"],
    }


KINDS: dict[str, Callable[[Path, Path, Path], Figures]] = {
    "anomaly": anomaly,
    "window": window,
    "rca": _ranked(("petshop", "sockshop", "nezha_ob", "nezha_tt")),
    "evidence": _ranked(("nezha_tt",)),
    "logs": logs,
    "sessions": sessions,
}


def main() -> None:
    kind, data, scorers, factor, *locations = sys.argv[1:]
    finder = MovingFinder(locations, float(factor))
    sys.meta_path.insert(0, finder)
    with tempfile.TemporaryDirectory() as folder:
        figures = KINDS[kind](Path(data), Path(scorers), Path(folder))
    finder.check()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
