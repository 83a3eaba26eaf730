"""A Slurm cluster to throw away: two nodes, each a `slurmd` of its own, on this one machine."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
BEGIN_S = 20.0

CONF = """
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmctldPidFile={folder}/controller/pid
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/%n/pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=5
MinJobAge=10
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=small Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""


def missing() -> list[str]:
    """Return the programs of Slurm that this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Run two nodes for the length of a `with`; give the settings that SLURM_CONF has to name."""
    for name in ("munge", "controller", "n1", "n2"):
        (folder / name).mkdir(mode=0o755)
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(folder=folder, host=host, user=user, ports=_free_ports(3)))
    (folder / "munge" / "key").write_bytes(b"only for a test" * 10)
    (folder / "munge" / "key").chmod(0o400)
    with ExitStack() as stack:
        stack.enter_context(_daemon(folder, "munged", "--foreground", *_munge(folder / "munge")))
        _wait_until((folder / "munge" / "socket").exists)
        stack.enter_context(_daemon(folder, "slurmctld", "-D", "-f", str(conf)))
        for node in ("n1", "n2"):
            stack.enter_context(_daemon(folder, "slurmd", "-D", "-N", node, "-f", str(conf)))
        _wait_until(lambda: _idle(conf) == 2)
        try:
            yield conf
        finally:
            _ask(conf, "scancel", "--full", f"--user={user}")
            _wait_until(lambda: not _ask(conf, "squeue", "--noheader"))


def _munge(folder: Path) -> list[str]:
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
    named = [f"--{option}={folder / name}" for option, name in files.items()]
    return ["--force", f"--log-file={folder / 'log'}", *named]


@contextmanager
def _daemon(folder: Path, *command: str) -> Iterator[None]:
    name = "-".join(part for part in command if part in (*PROGRAMS, "n1", "n2"))
    program = shutil.which(command[0], path=_path())
    assert program is not None
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen([program, *command[1:]], stdout=out, stderr=out)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _idle(conf: Path) -> int:
    return _ask(conf, "sinfo", "--noheader", "--Node", "--format=%T").split().count("idle")


def _ask(conf: Path, *command: str) -> str:
    env = {"PATH": _path(), "SLURM_CONF": str(conf)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stdout


def _wait_until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + BEGIN_S
    while not condition():
        assert time.monotonic() < deadline, "Slurm did not get that far in time"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def _path() -> str:
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
