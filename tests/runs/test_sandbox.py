"""Programs that mean harm, really run: none gets out, and none counts as passed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from codetune_ui.core.errors import MachineError
from codetune_ui.runs import sandbox
from codetune_ui.runs.sandbox import CHILD, Limits, Ran, protections, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no program is run on Windows")
QUICK = Limits(cpu_s=1, wall_s=30)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel has these")


def held_by_kernel() -> bool:
    return all(row["holds"] == "kernel" for row in protections())


# --- what counts as the end


def test_a_program_that_ends_is_believed() -> None:
    assert run("assert 1 + 1 == 2") == Ran("ended")


def test_a_failed_assertion_is_told_by_its_kind() -> None:
    assert run("assert 1 + 1 == 3") == Ran("failed", detail="AssertionError")


def test_a_syntax_error_is_a_failure() -> None:
    assert run("def f(:\n") == Ran("failed", detail="SyntaxError")


@pytest.mark.parametrize(
    "leaves", ["raise SystemExit(0)", "import sys\nsys.exit()", "import os\nos._exit(0)"]
)
def test_leaving_before_the_asserts_has_failed(leaves: str) -> None:
    assert run(f"{leaves}\nassert False").why == "failed"


def test_a_guessed_token_proves_nothing() -> None:
    shouts = """
import os
for place in range(3, 64):
    try:
        os.write(place, b"0" * 32)
    except OSError:
        pass
os._exit(0)
"""
    assert run(shouts).why == "failed"


def test_a_replaced_os_proves_nothing() -> None:
    tampers = """
import os, sys
os.write = lambda *_: 32
os._exit = lambda *_: None
sys.exit = exit = lambda *_: None
assert False
"""
    assert run(tampers) == Ran("failed", detail="AssertionError")


def test_a_script_reads_writes_and_may_exit() -> None:
    text = "name = input()\nprint('hello', name)\nexit()\n"
    assert run(text, given="otter\n", script=True) == Ran("ended", "hello otter\n")


def test_what_a_script_prints_at_its_exit_counts() -> None:
    text = "import atexit, sys\natexit.register(sys.stdout.write, 'late')\n"
    assert run(text, script=True) == Ran("ended", "late")


def test_a_script_that_exits_with_a_status_has_failed() -> None:
    assert run("print(1)\nexit(3)", script=True) == Ran("failed", "1\n", "SystemExit")


# --- time, memory, disk


def test_an_endless_loop_is_ended() -> None:
    assert run("while True:\n    pass", limits=QUICK).why == "timed out"


def test_a_loop_that_ignores_the_signal_is_ended_too() -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True:\n    pass"
    assert run(stubborn, limits=QUICK).why in ("killed", "timed out")


def test_one_that_sleeps_is_ended_by_the_clock() -> None:
    assert run("import time\ntime.sleep(600)", limits=Limits(wall_s=1)).why == "timed out"


def test_a_memory_bomb_ends_itself_alone() -> None:
    bomb = "kept = []\nwhile True:\n    kept.append(bytearray(1 << 24))"
    assert run(bomb, limits=Limits(memory_mib=256)).why in ("failed", "took too much memory")


def test_a_large_file_is_cut_off() -> None:
    large = """
with open("large", "wb") as file:
    for _ in range(1024):
        file.write(bytes(1 << 20))
"""
    assert run(large).why in ("failed", "wrote too much")


def test_many_files_are_too_much_together() -> None:
    many = """
import time
for number in range(40):
    with open(f"file{number}", "wb") as file:
        file.write(bytes(1 << 20))
time.sleep(600)
"""
    assert run(many, limits=Limits(folder_mib=8, wall_s=60)).why == "wrote too much"


def test_a_flood_of_words_is_cut_off() -> None:
    found = run("while True:\n    print('x' * 100_000)", script=True, limits=Limits(file_mib=1))
    assert found.why in ("failed", "wrote too much", "killed")
    assert len(found.output) <= 1 << 20


def test_a_flood_that_nobody_reads_fills_nothing() -> None:
    assert run("while True:\n    print('x' * 100_000)", limits=QUICK).why == "timed out"


# --- the network and files


def test_no_listener_of_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.0)
        port = listener.getsockname()[1]
        calls = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)"
        assert run(calls).why == "failed"
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_secret_in_the_home_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2", encoding="utf-8")
    reads = f"print(open({str(tmp_path / 'secret')!r}).read())"
    found = run(reads, script=True)
    assert (found.why, found.output) == ("failed", "")


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "hunter2")
    found = run("import os\nprint(sorted(os.environ))", script=True)
    names = set(eval(found.output))
    assert {"HOME", "TMPDIR"} <= names
    assert names <= {"HOME", "TMPDIR", "PATH", "LANG", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    goal = tmp_path / "new"
    assert run(f"open({str(goal)!r}, 'w').write('x')").why == "failed"
    assert not goal.exists()


def test_nothing_outside_the_folder_is_deleted_or_renamed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("x", encoding="utf-8")
    assert run(f"import os\nos.remove({str(kept)!r})").why == "failed"
    assert run(f"import os\nos.rename({str(kept)!r}, 'mine')").why == "failed"
    assert run(f"import os\nos.chmod({str(kept)!r}, 0)").why == "failed"
    assert kept.read_text("utf-8") == "x"


def test_a_link_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2", encoding="utf-8")
    text = f"import os\nos.symlink({str(tmp_path)!r}, 'd')\nprint(open('d/secret').read())"
    assert run(text, script=True).output == ""


def test_its_own_folder_is_its_to_use() -> None:
    text = "open('a', 'w').write('x')\nassert open('a').read() == 'x'"
    assert run(text) == Ran("ended")


def test_a_deleted_folder_harms_nobody() -> None:
    text = "import os, shutil\nshutil.rmtree(os.environ['HOME'], ignore_errors=True)"
    assert run(text).why in ("ended", "failed")
    assert run("pass") == Ran("ended")


@pytest.mark.parametrize(
    "leaves",
    [
        "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')",
        "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')",
    ],
)
def test_no_folder_is_left_behind(
    leaves: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "programs"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    assert run(leaves).why in ("ended", "wrote too much")
    assert list(place.iterdir()) == []


def test_a_folder_that_grows_too_deep_is_too_much() -> None:
    digs = """
import os, time
for _ in range(200):
    os.mkdir("d")
    os.chdir("d")
time.sleep(600)
"""
    assert run(digs, limits=Limits(wall_s=60)).why == "wrote too much"


# --- other processes


def test_a_fork_bomb_never_begins() -> None:
    bomb = "import os\nfor _ in range(8):\n    os.fork()"
    assert run(bomb).why == "failed"


def test_no_other_program_is_started() -> None:
    assert run("import subprocess\nsubprocess.run(['true'])").why == "failed"
    assert run("import os\nassert os.system('true') == 0").why == "failed"


def test_no_child_outlives_its_program(tmp_path: Path) -> None:
    mark = f"codetune-{tmp_path.name}"
    leaves = f"""
import os, sys, time
try:
    if os.fork() == 0:
        os.setsid()
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", {mark!r}])
except OSError:
    pass
"""
    run(leaves)
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or ())]


def test_no_signal_reaches_the_one_who_watches() -> None:
    assert run("import os, signal\nos.kill(os.getppid(), signal.SIGTERM)").why == "failed"


def test_a_thread_is_allowed() -> None:
    if not held_by_kernel():
        pytest.skip("without a filter, a limit on processes counts threads too")
    text = "import threading\nt = threading.Thread(target=len, args=('',))\nt.start()\nt.join()"
    assert run(text) == Ran("ended")


def test_a_wish_to_cancel_ends_it() -> None:
    cancel = threading.Event()
    cancel.set()
    assert run("import time\ntime.sleep(600)", cancel=cancel).why == "cancelled"


# --- the layers, each alone

LAYER = """
import ctypes, os, socket, sys
sys.path.insert(0, {folder!r})
import sandbox_child as child
libc = child.kernel()
libc.prctl(38, 1, 0, 0, 0)
home = os.path.realpath({home!r})
print({layer})
for deed in (
    lambda: socket.create_connection(("127.0.0.1", {port}), 2),
    lambda: open({secret!r}).read(),
    lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {{}}), 0),
):
    try:
        deed()
        print("done")
    except OSError:
        print("refused")
"""


def alone(layer: str, tmp_path: Path) -> list[str]:
    """Say whether a layer is there, and whether network, file and process are refused by it."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2", encoding="utf-8")
    home = tmp_path / "own"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        text = LAYER.format(
            folder=str(CHILD.parent),
            home=str(home),
            layer=layer,
            port=listener.getsockname()[1],
            secret=str(secret),
        )
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", text], capture_output=True, text=True, check=True
        )
    return done.stdout.split()


@on_linux
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("child.lose_the_network(libc)", ["True", "refused", "done", "done"]),
        ("child.filter_calls(libc)", ["True", "refused", "done", "refused"]),
        (
            "child.close_the_files(libc, home, child.readable_places() + ['/bin'])",
            ["True", "", "refused", "done"],
        ),
        (
            "child.ask_python(home, child.readable_places())",
            ["None", "refused", "refused", "refused"],
        ),
    ],
)
def test_each_layer_holds_alone(layer: str, expected: list[str], tmp_path: Path) -> None:
    found = alone(layer, tmp_path)
    if found[0] == "False":
        pytest.skip("this kernel does not have it, or does not permit it")
    # Landlock knows of the network only since Linux 6.7.
    assert [a for a, b in zip(found, expected, strict=True) if b] == [b for b in expected if b]


def test_a_machine_without_numbers_gets_no_filter() -> None:
    from codetune_ui.runs.sandbox_child import filter_program

    assert filter_program("sparc64") is None
    program = filter_program("aarch64")
    assert program is not None
    assert len(program) % 8 == 0


@on_linux
def test_without_a_layer_that_was_there_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"layers": {"namespace": True, "landlock": True, "filter": True, "moat": True}}
    monkeypatch.setattr(sandbox, "probe", lambda: found)
    with pytest.raises(MachineError, match="could not be held back"):
        run("pass")


def test_what_holds_is_said_for_each_danger() -> None:
    assert [row["what"] for row in protections()] == [
        "Time, memory and disk",
        "Network",
        "Reading your files",
        "Writing outside its folder",
        "Other processes",
    ]
    assert {row["holds"] for row in protections()} <= {"kernel", "python"}


def test_a_weaker_hold_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    deeds = ("network", "read", "write", "process")
    found = {
        "layers": {"namespace": False, "landlock": False, "filter": False},
        "kernel": dict.fromkeys(deeds, False),
        "hook": dict.fromkeys(deeds, True) | {"process": False},
    }
    monkeypatch.setattr(sandbox, "probe", lambda: found)
    holds = [(row["holds"], row["how"]) for row in protections()[1:]]
    weak = "Python's own hook, which a program that means harm gets around"
    assert holds == [("python", weak)] * 3 + [("no", "nothing")]
