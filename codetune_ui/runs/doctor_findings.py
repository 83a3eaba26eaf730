"""What a doctor makes of a machine's facts: each finding in words, with a way to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["fine", "note", "warning", "broken"]
PYTHONS = ((3, 11), (3, 13))
LOW_DISK_GIB, NO_DISK_GIB = 10.0, 1.0
LOW_MEMORY_GIB = 8.0
BF16_CAPABILITY = (8, 0)  # Ampere
NF4_CAPABILITY = (6, 0)  # Pascal: what bitsandbytes is built for
WHEELS = "https://download.pytorch.org/whl"
HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how bad it is, one sentence, and what to do ("" where nothing is)."""

    what: str
    level: Level
    says: str
    mend: str = ""


Found = Iterator[Finding]


def findings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what the facts of `doctor.examine` mean, the worst first."""
    found = [one for look in LOOKS for one in look(facts)]
    order = ("broken", "warning", "note", "fine")
    return [asdict(one) for one in sorted(found, key=lambda one: order.index(one.level))]


def _python(facts: Mapping[str, Any]) -> Found:
    version = _numbers(facts["python"])[:2]
    if PYTHONS[0] <= version <= PYTHONS[1]:
        yield Finding("python", "fine", f"Python {facts['python']}.")
    else:
        mend = "Make a new environment with Python 3.12 and install into it."
        yield Finding("python", "broken", f"Python {facts['python']} is not supported.", mend)


def _versions(facts: Mapping[str, Any]) -> Found:
    mend = "pip install -r requirements.txt"
    missing = [name for name, (_, has) in facts["pins"].items() if has is None]
    older = {n: p for n, p in facts["pins"].items() if p[1] and _numbers(p[1]) < _numbers(p[0])}
    newer = {n: p for n, p in facts["pins"].items() if p[1] and _numbers(p[1]) > _numbers(p[0])}
    if missing:
        yield Finding("versions", "broken", f"Not installed: {', '.join(missing)}.", mend)
    for level, word, some in (("warning", "Older", older), ("note", "Newer", newer)):
        if some:
            pairs = ", ".join(f"{name} {has} ({pin})" for name, (pin, has) in some.items())
            says = f"{word} than what was tested (in brackets): {pairs}."
            yield Finding("versions", "warning" if level == "warning" else "note", says, mend)
    if not (missing or older or newer):
        yield Finding("versions", "fine", "All packages are as they were tested.")


def _gpu(facts: Mapping[str, Any]) -> Found:
    if not facts["gpus"]:
        says = "No NVIDIA GPU answers: trainings run on the processor, which suits the demo alone."
        mend = "If there is one, install its driver and see that nvidia-smi lists it."
        yield Finding("gpu", "note", says, mend)
        return
    for card in facts["gpus"]:
        says = f"{card['name']}, {card['memory_free_gib']} of {card['memory_gib']} GiB free."
        yield Finding("gpu", "fine", says)
        capability = tuple(card.get("capability") or ())
        if capability and capability < BF16_CAPABILITY:
            says = f"{card['name']} has no bfloat16: trainings compute in float32, which is slower."
            yield Finding("bf16", "warning", says, "Use a card of the RTX 30 series or newer.")
        elif capability:
            yield Finding("bf16", "fine", f"{card['name']} computes in bfloat16.")
    if facts["gpu_holder"]:
        says = f"'{facts['gpu_holder']}' has the GPU."
        yield Finding("gpu", "note", says, "Wait for its end, or stop it.")


def _cuda(facts: Mapping[str, Any]) -> Found:
    if not facts["gpus"] or not facts["packages"].get("torch"):
        return
    built, driver = facts["torch_cuda"], facts["driver_cuda"]
    if not built:
        mend = f"pip install torch --index-url {WHEELS}/cu{_short(driver)}"
        yield Finding("cuda", "broken", "There is a GPU, but this torch has no CUDA in it.", mend)
    elif driver and _numbers(built)[0] > _numbers(driver)[0]:
        says = f"torch was built for CUDA {built}; the driver goes to CUDA {driver} only."
        mend = f"Update the driver, or: pip install torch --index-url {WHEELS}/cu{_short(driver)}"
        yield Finding("cuda", "broken", says, mend)
    else:
        yield Finding("cuda", "fine", f"torch is built for CUDA {built}, the driver has {driver}.")


def _four_bit(facts: Mapping[str, Any]) -> Found:
    has = facts["optional"].get("bitsandbytes")
    mend = "pip install -r requirements.txt, or train with --set quant=none"
    if has is None:
        yield Finding("bitsandbytes", "warning", "No bitsandbytes: no training in 4 bit.", mend)
        return
    if facts["gpus"] and facts["torch_cuda"]:
        wanted = f"cuda{_numbers(facts['torch_cuda'])[0]}"
        if not any(wanted in name for name in facts["bitsandbytes_builds"]):
            says = f"bitsandbytes {has} has no build for CUDA {facts['torch_cuda']}."
            yield Finding("bitsandbytes", "broken", says, mend)
            return
        weak = [c for c in facts["gpus"] if tuple(c.get("capability") or (9,)) < NF4_CAPABILITY]
        if weak:
            says = f"{weak[0]['name']} is too old for training in 4 bit."
            yield Finding("bitsandbytes", "warning", says, "Train with --set quant=none.")
            return
    yield Finding("bitsandbytes", "fine", f"bitsandbytes {has}.")


def _attention(facts: Mapping[str, Any]) -> Found:
    has = facts["optional"].get("flash-attn")
    says = f"flash-attn {has}." if has else "No flash-attn, and none is needed: torch has its own."
    yield Finding("flash-attn", "fine", says)


def _room(facts: Mapping[str, Any]) -> Found:
    disk, memory = facts["disk_free_gib"], facts["memory_gib"]
    says = f"{disk:,} GiB are free where the home lies ({facts['home']})."
    mend = "Free some space, or choose another disk with --home."
    level: Level = "broken" if disk < NO_DISK_GIB else "warning" if disk < LOW_DISK_GIB else "fine"
    yield Finding("disk", level, says, "" if level == "fine" else mend)
    if memory < LOW_MEMORY_GIB:
        says = f"{memory} GiB of memory: models above 1 B parameters may not load."
        yield Finding("memory", "warning", says, "Close other programs, or take a smaller model.")
    else:
        yield Finding("memory", "fine", f"{memory} GiB of memory.")
    if facts["port_free"]:
        yield Finding("port", "fine", f"Port {facts['port']} is free.")
    else:
        says = f"Port {facts['port']} is taken, perhaps by this app's own page."
        yield Finding("port", "note", says, f"python app.py --port {facts['port'] + 1}")


def _privacy(facts: Mapping[str, Any]) -> Found:
    says = "Nothing leaves this machine but a request for what you name on the Hub or by git URL."
    yield Finding("privacy", "fine", says)
    if facts["home_open_to_others"]:
        says = "Other users of this machine can read files in the home, where your code lies."
        mend = f"Open the page once, which closes them, or: chmod -R go-rwx {facts['home']}"
        yield Finding("privacy", "warning", says, mend)
    if facts["hub"].rstrip("/") != HUB:
        says = f"What is asked of the Hub goes to {facts['hub']}, as HF_ENDPOINT says."
        yield Finding("privacy", "note", says, "Unset HF_ENDPOINT if that is not what you want.")
    if facts["proxies"]:
        says = f"Downloads go through a proxy ({', '.join(facts['proxies'])})."
        yield Finding("privacy", "note", says, "Unset the variable if that is not what you want.")


def _hub(facts: Mapping[str, Any]) -> Found:
    answer = facts.get("hub_answer")
    if answer is None:
        return
    if answer == "":
        yield Finding("hub", "fine", f"{facts['hub']} answers.")
    else:
        mend = "Check the network and the proxy; models on this disk and in the Hub's cache work."
        yield Finding("hub", "warning", f"{facts['hub']} does not answer: {answer}.", mend)


LOOKS: tuple[Callable[[Mapping[str, Any]], Found], ...] = (
    *(_python, _versions, _gpu, _cuda, _four_bit, _attention, _room, _privacy, _hub),
)


def _numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, to be compared.

    >>> _numbers("2.13.0+cu130"), _numbers("12.8")
    ((2, 13, 0), (12, 8))
    """
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _short(cuda: str) -> str:
    """Return a CUDA version as torch's wheels are called: 12.8 is 128."""
    major, minor = (*_numbers(cuda or "12.8"), 0)[:2]
    return f"{major}{minor}"
