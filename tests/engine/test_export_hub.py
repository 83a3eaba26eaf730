"""Uploads, against a small stand-in for the Hub on this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.errors import MachineError
from codetune_ui.core.export import Request
from codetune_ui.engine.export_hub import upload


class Hub(ThreadingHTTPServer):
    """Takes what the Hub's client sends, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        self.private = True
        self.refuses = False


class Door(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, data: Any, status: int = 200) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        about = {"id": "ann/tuned", "modelId": "ann/tuned", "private": self.server.private}
        self._answer({**about, "sha": "0" * 40, "tags": [], "downloads": 0, "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers["Authorization"] or "")
        if self.server.refuses:
            return self._answer({"error": "You have no write access."}, 403)
        if self.path == "/api/repos/create":
            self.server.created = json.loads(body)
            return self._answer({"url": f"{endpoint(self.server)}/ann/tuned"})
        if "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            mode = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            return self._answer({"files": [{**mode, "path": one["path"]} for one in asked]})
        if "/commit/" in self.path:
            for line in body.decode().splitlines():
                part = json.loads(line)
                if part["key"] == "file":
                    content = base64.b64decode(part["value"]["content"])
                    self.server.files[part["value"]["path"]] = content
            url = f"{endpoint(self.server)}/ann/tuned/commit/{'0' * 40}"
            return self._answer({"commitUrl": url, "commitOid": "0" * 40})
        return self._answer({"shouldIgnore": False})


def endpoint(server: Hub) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import huggingface_hub.constants

    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", endpoint(server))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "out"
    found.mkdir()
    (found / "README.md").write_text("# tuned", encoding="utf-8")
    (found / "adapter_model.safetensors").write_bytes(b"\x00weights")
    (found / "worker.log").write_text("private", encoding="utf-8")
    return found


NAMES = ["README.md", "adapter_model.safetensors"]


def asked(**changes: Any) -> Request:
    return Request(run="tuned", format="adapter", to="hub:ann/tuned", **changes)


def test_the_named_files_go_to_a_private_repository(hub: Hub, folder: Path) -> None:
    address = upload(folder, asked(), NAMES)
    assert hub.created == {"name": "tuned", "organization": "ann", "visibility": "private"}
    assert hub.files == {"README.md": b"# tuned", "adapter_model.safetensors": b"\x00weights"}
    assert hub.tokens == {"Bearer hf_secret"}
    assert address.endswith("/ann/tuned")


def test_a_repository_that_everybody_reads_is_refused(hub: Hub, folder: Path) -> None:
    hub.private = False
    with pytest.raises(MachineError, match="everybody can read it"):
        upload(folder, asked(), NAMES)
    assert hub.files == {}
    upload(folder, asked(public=True), NAMES)
    assert set(hub.files) == set(NAMES)


def test_a_refusal_of_the_hub_is_one_sentence(hub: Hub, folder: Path) -> None:
    hub.refuses = True
    with pytest.raises(MachineError, match="The upload to ann/tuned failed: ") as caught:
        upload(folder, asked(), NAMES)
    assert "hf_secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
