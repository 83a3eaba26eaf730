from __future__ import annotations

from typing import Any

from codetune_ui.runs.doctor_findings import findings

CARD = {
    "name": "RTX 4090",
    "driver": "590.10",
    "memory_gib": 24.0,
    "memory_free_gib": 20.0,
    "capability": [8, 9],
}
GOOD: dict[str, Any] = {
    "python": "3.12.1",
    "pins": {"torch": ("2.13.0", "2.13.0+cu130")},
    "packages": {"torch": "2.13.0+cu130"},
    "optional": {"bitsandbytes": "0.50.2", "flash-attn": None},
    "gpus": [CARD],
    "gpu_holder": None,
    "torch_cuda": "13.0",
    "driver_cuda": "13.1",
    "bitsandbytes_builds": ["libbitsandbytes_cuda129", "libbitsandbytes_cuda130"],
    "home": "/home/ann/.codetune",
    "home_open_to_others": False,
    "disk_free_gib": 200.0,
    "memory_gib": 32.0,
    "port": 7860,
    "port_free": True,
    "hub": "https://huggingface.co",
    "hub_answer": None,
    "proxies": [],
}


def bad(**changed: Any) -> list[tuple[str, str]]:
    found = findings(GOOD | changed)
    assert all(one["mend"] for one in found if one["level"] != "fine")
    return [(one["level"], one["what"]) for one in found if one["level"] != "fine"]


def test_a_good_machine_has_nothing_to_mend() -> None:
    assert bad() == []


def test_a_torch_without_cuda_beside_a_gpu_is_broken() -> None:
    assert bad(torch_cuda=None) == [("broken", "cuda")]
    mend = findings(GOOD | {"torch_cuda": None, "driver_cuda": "12.8"})[0]["mend"]
    assert mend == "pip install torch --index-url https://download.pytorch.org/whl/cu128"


def test_a_driver_older_than_torchs_cuda_is_broken() -> None:
    assert bad(driver_cuda="12.4") == [("broken", "cuda")]
    assert bad(torch_cuda="13.2", driver_cuda="13.0") == []  # minor versions are compatible


def test_a_bitsandbytes_without_a_build_for_this_cuda_is_broken() -> None:
    builds = ["libbitsandbytes_cpu", "libbitsandbytes_cuda129"]
    assert bad(bitsandbytes_builds=builds) == [("broken", "bitsandbytes")]


def test_an_old_card_is_told_what_it_lacks() -> None:
    assert bad(gpus=[CARD | {"capability": [7, 5]}]) == [("warning", "bf16")]
    old = bad(gpus=[CARD | {"capability": [5, 2]}])
    assert old == [("warning", "bf16"), ("warning", "bitsandbytes")]


def test_a_machine_without_a_gpu_works() -> None:
    assert bad(gpus=[], torch_cuda=None, driver_cuda=None, bitsandbytes_builds=[]) == [
        ("note", "gpu")
    ]


def test_versions_are_held_against_the_pins() -> None:
    assert bad(pins={"peft": ("0.21.2", None)}) == [("broken", "versions")]
    assert bad(pins={"peft": ("0.21.2", "0.9.0")}) == [("warning", "versions")]
    assert bad(pins={"peft": ("0.21.2", "0.22.0")}) == [("note", "versions")]


def test_an_unsupported_python_is_broken() -> None:
    assert bad(python="3.14.0") == [("broken", "python")]
    assert bad(python="3.10.9") == [("broken", "python")]


def test_too_little_room_is_told() -> None:
    assert bad(disk_free_gib=0.4) == [("broken", "disk")]
    assert bad(disk_free_gib=4.0, memory_gib=4.0) == [("warning", "disk"), ("warning", "memory")]
    assert bad(port_free=False) == [("note", "port")]


def test_what_could_leave_or_be_read_is_told() -> None:
    assert bad(home_open_to_others=True) == [("warning", "privacy")]
    assert bad(hub="https://mirror.example") == [("note", "privacy")]
    assert bad(proxies=["HTTPS_PROXY"]) == [("note", "privacy")]


def test_the_hub_is_told_of_only_when_it_was_asked() -> None:
    assert bad(hub_answer="ConnectError") == [("warning", "hub")]
    assert any(one["what"] == "hub" for one in findings(GOOD | {"hub_answer": ""}))
    assert not any(one["what"] == "hub" for one in findings(GOOD))
