"""A server that ends in the middle of an answer, killed or asked to: what is there after a restart."""

import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx2
import pytest


class Watching:
    """A client that reads the stream of an answer until it breaks off or ends."""

    def __init__(self, url: str, question: str) -> None:
        self.text = ""
        self.has_text = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(url, question))
        self._thread.start()

    def _read(self, url: str, question: str) -> None:
        try:
            with httpx2.stream("POST", url, json={"content": question}, timeout=25) as answer:
                for piece in answer.iter_text():
                    self.text += piece
                    if "word-3 " in self.text:
                        self.has_text.set()
        except httpx2.TransportError:
            return

    def end(self) -> str:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.text


def asked(url: str, path: str, body: Any = None, method: str | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}/api/v1/chat{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def said_in(server: Any) -> tuple[str, Watching]:
    """A session of which an answer is being made, some of it kept already."""
    session = f"/sessions/{asked(server.url, '/sessions', {})['id']}"
    watching = Watching(f"{server.url}/api/v1/chat{session}/stream", "Why?")
    assert watching.has_text.wait(20), watching.text
    ends = time.monotonic() + 15
    while time.monotonic() < ends:
        answer = asked(server.url, f"{session}/messages")["items"][1]
        if "word-3 " in answer["content"]:
            return session, watching
        time.sleep(0.1)
    raise AssertionError(f"nothing was kept: {answer}")


@pytest.mark.timeout(120)  # two starts of a server each
@pytest.mark.parametrize("way", ["killed", "asked to end"])
def test_what_was_said_is_there_after_a_restart(
    serve: Any, aiops: str, tmp_path: Path, model_url: str, way: str
) -> None:
    settings = {"AIOPS_MODEL_URLS": model_url, "AIOPS_RATE_CHAT_PER_MINUTE": "0"}
    with serve(tmp_path, [aiops, "serve"], **settings) as server:
        session, watching = said_in(server)
        if way == "killed":
            server.process.kill()
        else:
            server.process.terminate()
        server.process.wait(15)
        seen = watching.end()
    if way == "asked to end":
        assert "event: error" in seen
        assert "went away" in seen
    with serve(tmp_path, [aiops, "serve"], **settings) as server:
        told = asked(server.url, session)
        assert (told["title"], told["is_working"]) == ("Why?", False)
        question, answer = asked(server.url, f"{session}/messages")["items"]
        assert question["content"] == "Why?"
        assert answer["state"] == "INTERRUPTED"
        assert answer["content"].startswith("word-0 word-1 word-2 word-3 ")
        # Plainly marked, and made anew where its user wants that.
        again = asked(server.url, f"{session}/retry", {})
        assert (again["state"], again["id"] != answer["id"]) == ("RUNNING", True)
        stopped = asked(server.url, f"{session}/stop", {})
        assert stopped["state"] == "STOPPED"
