from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from codetune_ui.core.assets import ASSETS, PROJECT_ROOT
from codetune_ui.core.config import SETTINGS
from codetune_ui.core.errors import MachineError
from codetune_ui.runs.store import Home
from codetune_ui.ui.page import build, build_blocks, head, serve


@pytest.fixture
def client(home: Path) -> Iterator[TestClient]:
    with TestClient(build(Home(home)), base_url="http://127.0.0.1") as opened:
        yield opened


def test_the_page_answers_and_is_not_open_to_others(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    foreign = {"origin": "http://evil.example"}
    assert client.post("/gradio_api/upload", headers=foreign).status_code == 403
    assert client.get("/ct-api/run", headers=foreign).status_code == 403
    for closed in ("/monitoring/summary", "/docs", "/gradio_api/mcp/sse"):
        assert client.get(closed).status_code in (403, 404, 405)


def test_styles_scripts_and_fonts_are_ours(client: TestClient) -> None:
    links = [part.split('"')[1] for part in head().replace("src=", "href=").split("href=")[1:]]
    assert links[0] == "/ct/css/base.css"
    assert "/ct/js/vendor/plotly-basic.min.js" in links
    fonts = [f"/ct/fonts/{path.name}" for path in (ASSETS / "fonts").glob("*.woff2")]
    assert len(fonts) == 6
    for link in [*links, *fonts]:
        assert client.get(link).status_code == 200


def test_no_style_or_script_names_another_machine() -> None:
    for path in [*ASSETS.glob("css/*.css"), *ASSETS.glob("js/*.js")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


def test_no_state_of_gradios_keeps_a_connection_open(client: TestClient) -> None:
    config = client.get("/config").json()
    assert config["connect_heartbeat"] is False
    assert config["analytics_enabled"] is False


def test_no_handler_is_a_public_endpoint(client: TestClient) -> None:
    assert client.get("/gradio_api/info").json()["named_endpoints"] == {}


def test_every_setting_is_on_the_page_once(home: Path) -> None:
    blocks = build_blocks(Home(home)).blocks.values()
    shown = [block.elem_id for block in blocks if str(block.elem_id).startswith("s-")]
    assert sorted(shown) == sorted(f"s-{name}" for name in SETTINGS)


def test_a_password_covers_all_routes(home: Path) -> None:
    api = build(Home(home), auth=("ann", "secret"))
    with TestClient(api, base_url="http://127.0.0.1") as client:
        for path in ("/", "/config", "/ct-api/run", "/ct/css/base.css"):
            assert client.get(path).status_code == 401
            assert client.get(path, auth=("ann", "secret")).status_code == 200


def test_a_taken_port_is_one_sentence(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(MachineError, match=f"Port {port} is taken"):
            serve(Home(home), port=port, open_browser=False)


def test_an_open_address_wants_a_password(home: Path) -> None:
    with pytest.raises(MachineError, match="has no password"):
        serve(Home(home), host="0.0.0.0", open_browser=False)


def test_the_page_loads_no_training_library() -> None:
    code = (
        "import sys, codetune_ui.ui.page;"
        "print(sorted({'torch', 'transformers', 'peft', 'datasets'} & set(sys.modules)))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    found = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_gradios_environment_does_not_reach_the_server() -> None:
    code = "import os, codetune_ui.ui; print([n for n in os.environ if n.startswith('GRADIO_')])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"GRADIO_SHARE": "True", "GRADIO_VIBE_MODE": "1", "PATH": ""},
    )
    assert found.stdout.strip() == "['GRADIO_ANALYTICS_ENABLED']"
