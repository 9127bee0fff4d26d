"""`aiops ask` and `aiops chat` as a person starts them, over no clusters and over a server."""

import pytest


def test_a_question_is_answered_with_its_evidence(aiops) -> None:
    ended = aiops("ask", "What is wrong?", "--no-model")
    assert ended.code == 0, ended.err
    text, _, below = ended.out.partition("\nEvidence\n")
    assert "no clusters yet" in text
    assert "[1]" in text
    assert "triage {}" in below
    assert "Made by triage and root-cause ranking, without a model." in below
    assert "✓ [1] triage {}" in ended.err


def test_json_is_the_whole_answer(aiops) -> None:
    told = aiops("ask", "-", "--no-model", "--json", stdin="What is wrong?").json()
    assert told["mode"] == "TRIAGE"
    assert told["references"][0]["text"]
    assert told["text"].startswith("There are no clusters yet")


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("ask", "   "), "VALIDATION_FAILED", 2),
        (("ask", "x" * 40_000), "CONTEXT_TOO_LARGE", 2),
        (("ask", "hi", "-p", "nobody-here"), "PERSONA_NOT_FOUND", 1),
        (("ask", "hi", "-c", "nowhere"), "CLUSTER_NOT_FOUND", 1),
        (("ask", "hi", "-t", "yesterdayish"), "VALIDATION_FAILED", 2),
        (("ask", "hi", "-s", "no-session"), "SESSION_NOT_FOUND", 1),
        (("--server", "http://127.0.0.1:9", "ask", "hi", "--no-model"), "VALIDATION_FAILED", 2),
        (("--server", "http://127.0.0.1:9", "ask", "hi"), "CLUSTER_UNREACHABLE", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_asked_is_refused(aiops, arguments, code, exit_code) -> None:
    ended = aiops(*arguments, "--json")
    assert ended.code == exit_code, ended.err
    assert ended.error()["code"] == code


def test_a_conversation_at_the_prompt(aiops, tmp_path) -> None:
    exported = tmp_path / "chat.md"
    lines = [
        *("/help", "/retry", "/stop", "/export", "/plan", "/evidence", "/time"),
        *("/persona gpu-expert", "/time -6h..-1h", "/time", "/clusters"),
        "What is wrong?",
        *("/evidence", "/evidence 1", "/evidence 9", "/plan", "/time", "/model", "/persona"),
        *("/time -", "/time", "/persona nobody-here", "/nonsense", "/sessions"),
        *("/retry", f"/export {exported}", "/export /nowhere/at/all.md", "/stop"),
        *("/new", "/clusters nowhere", "And now?", "/clusters all", "/open", "/quit"),
    ]
    ended = aiops("chat", "--no-model", stdin="\n".join(lines))
    assert ended.code == 0, ended.err
    assert ended.out.count("There are no clusters yet; register one. [1]") == 2
    said = ended.err
    for expected in (
        "/evidence [N]",
        "Nothing was asked yet.",
        "The last answer had no plan.",
        "gpu-expert answers from here on.",
        "About -6h to -1h.",
        "About the whole fleet.",
        "The last answer has no [9].",
        "No model is set",
        "* gpu-expert",
        "There is no command /nonsense",
        "What is wrong?",
        f"Written to {exported}.",
        "cannot be written",
        "No answer of this session is being made.",
        "A new session begins",
        "No cluster is called 'nowhere'.",
        "About now.",
    ):
        assert expected in said, f"{expected!r} is not in\n{said}"
    assert exported.read_text().startswith("# What is wrong?\n\n- persona: gpu-expert\n")


def test_a_session_is_gone_on_with(aiops) -> None:
    first = aiops("chat", "--no-model", stdin="First question?\n")
    assert first.code == 0, first.err
    again = aiops("chat", "--no-model", "--continue", stdin="/evidence\n/sessions\nSecond?\n")
    assert "Going on: First question?" in again.err
    session = again.err.partition("* ")[2].split()[0]
    assert "triage {}" in again.out
    asked = aiops("ask", "Third?", "--no-model", "-s", session, "-p", "telco-5g")
    assert asked.code == 0, asked.err
    opened = aiops("chat", "-s", session, stdin="/persona\n")
    assert "* telco-5g" in opened.err
    listed = aiops("chat", stdin="/sessions\n")
    assert listed.err.count("First question?") == 1, "a question alone leaves no session"
