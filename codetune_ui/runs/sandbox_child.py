"""What runs inside a sandbox: it gives its rights up, layer by layer, then runs one program.

`sandbox.run` starts it as `python -I -S sandbox_child.py JSON`; it imports the standard library
alone. From the outside in:

limits      seconds of the processor, memory, size and number of files (setrlimit)
namespaces  a network without any interface and without an address (Linux, where it is allowed)
Landlock    the kernel opens no file but the program's folder and Python's own (Linux 5.13 and on)
filter      no sockets, no other process or program, no signals (seccomp; x86-64 and ARM64)
hook        the same asked of Python itself; a program that means harm gets around it

What was not put in force, although `need` names it, ends the process before the program begins.
Sources: man 7 namespaces, man 7 landlock, man 2 seccomp, PEP 578.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

READABLE = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
MIB = 1 << 20

# --- limits


def limit(limits: dict[str, int], *, alone: bool) -> None:
    """Set what this process may use; `alone` where no filter keeps it from making others."""
    import resource

    wanted = {
        "RLIMIT_CPU": limits["cpu_s"],
        "RLIMIT_AS": limits["memory_mib"] * MIB,
        "RLIMIT_DATA": limits["memory_mib"] * MIB,
        "RLIMIT_FSIZE": limits["file_mib"] * MIB,
        "RLIMIT_NOFILE": limits["open_files"],
        "RLIMIT_CORE": 0,
    }
    if alone:
        wanted["RLIMIT_NPROC"] = 1
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is not None:
            # macOS knows some of these and refuses to set them; the watcher outside is left.
            with suppress(OSError, ValueError):
                # One second more before the kernel kills outright: the signal says why.
                resource.setrlimit(number, (value, value + (name == "RLIMIT_CPU")))


# --- the kernel's own ways, on Linux


def kernel() -> Any:
    """Return the C library, called with errno kept."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def lose_the_network(libc: Any) -> bool:
    """Move into a network namespace of our own; False where the kernel does not permit it."""
    new_user, new_net, new_ipc = 0x10000000, 0x40000000, 0x08000000
    user, group = os.getuid(), os.getgid()
    if libc.unshare(new_user | new_net | new_ipc) != 0:
        return False
    ids = (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    )
    for name, text in ids:
        with suppress(OSError), open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - no pathlib
            file.write(text)
    return True


def close_the_files(libc: Any, folder: str, readable: list[str]) -> bool:
    """Let the kernel open nothing but `folder` (to write) and `readable`; False without Landlock.

    Numbers and structures are those of linux/landlock.h.
    """
    import ctypes

    create, add, restrict = 444, 445, 446
    version = libc.syscall(create, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    bits = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    everything = (1 << bits) - 1
    of_a_file = 1 | 2 | 4 | (everything & (1 << 14))  # execute, write, read, truncate
    read = 1 | 4 | 8  # execute (libraries), read a file, read a directory
    attributes = struct.pack("=Q", everything)
    if version >= 4:
        attributes += struct.pack("=Q", 3)  # TCP: neither bind nor connect
    if version >= 6:
        attributes += struct.pack("=Q", 3)  # no signal or abstract socket to the outside
    ruleset = libc.syscall(create, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    for path, rights in [(folder, everything), *((path, read) for path in readable)]:
        _allow(libc, add, ruleset, path, rights, of_a_file)
    for path in DEVICES:
        _allow(libc, add, ruleset, path, 2 | 4, of_a_file)
    done: int = libc.syscall(restrict, ruleset, 0)
    os.close(ruleset)
    return done == 0


def _allow(libc: Any, add: int, ruleset: int, path: str, rights: int, of_a_file: int) -> None:
    with suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not os.path.isdir(path):  # noqa: PTH112 - no pathlib here
            rights &= of_a_file
        libc.syscall(add, ruleset, 1, struct.pack("=Qi", rights, place), 0)
        os.close(place)


# Of what is refused, by name: the numbers on x86-64, on ARM64; None where it does not exist.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    **{"socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "sendto": (44, 206)},
    **{"sendmsg": (46, 211), "bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199)},
    **{"accept4": (288, 242), "sendmmsg": (307, 269), "fork": (57, None), "vfork": (58, None)},
    **{"execve": (59, 221), "execveat": (322, 281), "kill": (62, 129), "tkill": (200, 130)},
    **{"tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)},
    **{"pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438)},
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    **{"io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427)},
    **{"setsid": (112, 157), "setpgid": (109, 154), "prlimit64": (302, 261)},
    **{"setrlimit": (160, 164), "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53)},
    **{"fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None), "fchown": (93, 55)},
    **{"fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7)},
    **{"utime": (132, None), "utimes": (235, None), "futimesat": (261, None)},
    **{"utimensat": (280, 88), "mknod": (133, None), "mknodat": (259, 33), "mount": (165, 40)},
    **{"umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280)},
    **{"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)},
    **{"userfaultfd": (323, 282), "perf_event_open": (298, 241), "memfd_create": (319, 279)},
    **{"open_by_handle_at": (304, 265), "shmget": (29, 194), "msgget": (68, 186)},
}
CLONE, CLONE3 = (56, 220), 435
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def filter_program(machine: str) -> bytes | None:
    """Return the filter as instructions of classic BPF; None for a machine without numbers here."""
    if machine not in MACHINES:
        return None
    column, name = MACHINES[machine]
    load, same, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    kill, allow, refuse, unknown = 0x80000000, 0x7FFF0000, 0x00050001, 0x00050026  # EPERM, ENOSYS
    steps = [(load, 0, 0, 4), (same, 1, 0, name), (answer, 0, 0, kill), (load, 0, 0, 0)]
    if machine == "x86_64":  # the numbers of x32 would go around all that follows
        steps += [(at_least, 0, 1, 0x40000000), (answer, 0, 0, refuse)]
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            steps += [(same, 0, 1, number), (answer, 0, 0, refuse)]
    # The C library takes clone when there is no clone3; a thread is allowed, a process is not.
    steps += [(same, 0, 1, CLONE3), (answer, 0, 0, unknown), (same, 0, 3, CLONE[column])]
    steps += [(load, 0, 0, 16), (any_bit, 1, 0, 0x10000), (answer, 0, 0, refuse)]
    steps.append((answer, 0, 0, allow))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def filter_calls(libc: Any) -> bool:
    """Refuse system calls that no program of a benchmark needs; False where that cannot be."""
    import ctypes

    program = filter_program(os.uname().machine)
    if program is None or struct.calcsize("P") != 8:
        return False
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    done: int = libc.prctl(22, 2, head, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
    return done == 0


# --- what Python itself refuses

REFUSED_EVENTS = (
    *("socket.", "subprocess.", "ctypes.", "os.system", "os.exec", "os.fork", "os.posix_spawn"),
    *("os.spawn", "os.kill", "os.chmod", "os.chown", "os.setxattr", "os.symlink", "os.link"),
    *("webbrowser.", "ftplib.", "smtplib.", "urllib.", "http.", "imaplib.", "poplib.", "pty."),
    *("signal.pthread_kill", "resource.", "fcntl.", "mmap.__new__", "shutil.chown", "syslog."),
)
WRITING_EVENTS = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.utime")
READING_EVENTS = ("os.listdir", "os.scandir", "os.chdir", "glob.glob")


def ask_python(folder: str, readable: list[str]) -> None:
    """Add the audit hook: it cannot be taken away again."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    real, decode, within = os.path.realpath, os.fsdecode, _within

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            writes = bool(flags & writing) or bool(mode and set(mode) & set("wax+"))
            check(path, writes)
        elif event in WRITING_EVENTS:
            for path in args[: 2 if event == "os.rename" else 1]:
                check(path, True)
        elif event in READING_EVENTS:
            check("." if args[0] is None else args[0], False)
        elif event.startswith(REFUSED_EVENTS):
            raise PermissionError(f"{event} is refused in here")

    def check(path: Any, writes: bool) -> None:
        if isinstance(path, int):  # opened before, and checked then
            return
        name = decode(path)
        if ".." in name.split("/"):  # it may be meant from another folder than this
            raise PermissionError("paths with .. are refused in here")
        place = real(name)
        allowed = [folder] if writes else [folder, *readable]
        if place not in DEVICES and not any(within(place, root) for root in allowed):
            raise PermissionError(f"{place} is out of bounds in here")

    sys.addaudithook(refuse)


def _within(place: str, root: str) -> bool:
    return place == root or place.startswith(root.rstrip("/") + "/")


# --- the run


def protect(spec: dict[str, Any], folder: str, readable: list[str]) -> dict[str, bool]:
    """Put the limits and every layer of the kernel in force that can be had; return which."""
    found = {"namespace": False, "landlock": False, "filter": False}
    libc = kernel() if sys.platform == "linux" else None
    if libc is not None:
        found["namespace"] = lose_the_network(libc)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: nothing run from here gains rights
        found["landlock"] = close_the_files(libc, folder, readable)
    known = libc is not None and filter_program(os.uname().machine) is not None
    limit(spec["limits"], alone=not known)
    if libc is not None:
        found["filter"] = filter_calls(libc)
    return found


def readable_places() -> list[str]:
    """Return where Python and the system's libraries lie."""
    own = [path for path in sys.path if path]
    own += [os.path.join(sys.base_prefix, name) for name in ("lib", "lib64")]  # noqa: PTH118
    return [os.path.realpath(path) for path in (*own, *READABLE) if os.path.exists(path)]  # noqa: PTH110


def run(source: str, *, script: bool) -> str:
    """Run a program to its end; return "" or the kind of what ended it early."""
    import atexit
    import builtins

    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]
    try:
        exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
    except SystemExit as wish:
        if not script or wish.code not in (None, 0):
            return "SystemExit"
    except BaseException as error:  # noqa: BLE001 - whatever a program raises, it has failed
        return type(error).__name__
    if script:  # what it prints at its end counts too
        with suppress(BaseException):
            atexit._run_exitfuncs()
            sys.stdout.flush()
    return ""


def probe(outside: str, port: int) -> dict[str, bool]:
    """Try what must not be possible; return what was refused. Somebody listens at `port`."""
    import socket

    def refused(deed: Callable[[], Any]) -> bool:
        try:
            deed()
        except OSError:
            return True
        return False

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)
        os.wait()

    return {
        "network": refused(lambda: socket.create_connection(("127.0.0.1", port), 1).close()),
        "read": refused(lambda: os.close(os.open(outside, os.O_RDONLY))),
        "write": refused(lambda: os.close(os.open(outside, os.O_WRONLY))),
        "process": refused(fork),
    }


def main() -> None:
    """Protect, run, and say so through the pipe; never return."""
    spec = json.loads(sys.argv[1])
    folder = os.path.realpath(os.getcwd())  # noqa: PTH109
    with open("program.py", encoding="utf-8") as file:  # noqa: PTH123
        source = file.read()
    read, write, leave = os.read, os.write, os._exit  # a program may put others in their place
    ask, tell, flush = spec["ask"], spec["tell"], sys.stdout.flush
    readable = readable_places()
    found = protect(spec, folder, readable)
    if "probe" in spec:
        by_kernel = probe(*spec["probe"])
        ask_python(folder, readable)
        told = {"layers": found, "kernel": by_kernel, "hook": probe(*spec["probe"])}
        write(tell, json.dumps(told).encode())
        leave(0)
    ask_python(folder, readable)
    if not all(found.get(layer) for layer in spec["need"]):
        write(tell, b"unprotected")
        leave(1)
    why = run(source, script=spec["script"])
    with suppress(BaseException):
        flush()
    # The token is asked for only now: while the program ran, no object of Python held it.
    write(tell, b"failed " + why.encode() if why else read(ask, 64))
    leave(1 if why else 0)


if __name__ == "__main__":
    main()
