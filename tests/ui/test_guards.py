from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient

from codetune_ui.ui.guards import add_guards

OWN = {"origin": "http://127.0.0.1:7860", "host": "127.0.0.1:7860"}


def client(host: str = "127.0.0.1", auth: tuple[str, str] | None = None) -> TestClient:
    api = FastAPI()

    @api.api_route("/", methods=["GET", "POST"])
    def answer() -> str:
        return "in"

    add_guards(api, host, auth)
    return TestClient(api, base_url="http://127.0.0.1:7860")


def test_the_pages_own_requests_come_in() -> None:
    assert client().post("/", headers=OWN).status_code == 200
    assert client().get("/").status_code == 200


def test_a_foreign_name_for_this_machine_is_refused() -> None:
    assert client().get("/", headers={"host": "evil.example"}).status_code == 400


def test_a_foreign_page_cannot_post() -> None:
    assert client().post("/", headers={"origin": "http://evil.example"}).status_code == 403
    assert client().post("/", headers={"origin": "null"}).status_code == 403
    assert client().post("/", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_another_local_port_is_foreign() -> None:
    assert client().post("/", headers={"origin": "http://127.0.0.1:9999"}).status_code == 403


def test_a_link_on_another_site_may_lead_here() -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client().get("/", headers=followed).status_code == 200
    assert client().post("/", headers=followed).status_code == 403


def test_a_forwarded_port_works() -> None:
    headers = {"origin": "http://localhost:9000", "host": "localhost:9000"}
    assert client().post("/", headers=headers).status_code == 200


def test_without_the_password_nothing_is_answered() -> None:
    guarded = client("0.0.0.0", ("ann", "s3crët"))
    refused = guarded.get("/")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="CodeTune UI", charset="UTF-8"'
    assert guarded.get("/", auth=("ann", "wrong")).status_code == 401
    assert guarded.get("/", headers={"authorization": "Basic ???"}).status_code == 401
    assert guarded.get("/", auth=(b"ann", "s3crët".encode())).status_code == 200
