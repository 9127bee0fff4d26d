import csv

import pytest

from benchmarks.public_logs import run_logs, run_sessions


def test_each_system_gets_a_file_of_its_own(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    for system in ("One", "Two"):
        (data / system).mkdir(parents=True)
        path = data / system / f"{system}_2k.log_structured_corrected.csv"
        path.write_text(
            "LineId,Content,EventId,EventTemplate\n"
            '1,"took 5 ms, ok",E1,x\n2,"took 7 ms, ok",E1,x\n3,stopped,E2,y\n',
            encoding="utf-8",
        )
    run_logs(data, out)
    assert sorted(path.name for path in out.iterdir()) == ["One.csv", "Two.csv"]
    with (out / "Two.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["line_id"] for row in rows] == ["1", "2", "3"]
    assert [row["template"] for row in rows] == ["took <*> ms, ok"] * 2 + ["stopped"]
    assert rows[0]["event_id"] == rows[1]["event_id"] != rows[2]["event_id"]
    run_logs(data / "One", tmp_path / "single")
    assert [path.name for path in (tmp_path / "single").iterdir()] == ["One.csv"]
    with pytest.raises(ValueError, match="holds no"):
        run_logs(tmp_path / "out", tmp_path / "none")


def test_sessions_are_scored_by_the_normal_ones(tmp_path):
    (tmp_path / "train_normal.txt").write_text("1 2 3\n" * 40, encoding="utf-8")
    (tmp_path / "sessions.csv").write_text(
        "session_id,events\na,1 2 3\nb,1 3 2\n", encoding="utf-8"
    )
    run_sessions(tmp_path, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        scores = {row["session_id"]: float(row["anomaly_score"]) for row in csv.DictReader(file)}
    assert scores["a"] == 0
    assert scores["b"] > 0.5
