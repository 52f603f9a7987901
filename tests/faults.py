"""Real faults for the tests: processes that are killed at an operation, in a write or by the clock; small and read-only disks."""

import ctypes
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from smislib import train as training

# A fork has everything imported already; but autograd's threads, which there are for GPUs alone, do not survive it
CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" and not torch.cuda.is_available() else "forkserver")
CALLS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.fsync"}  # Python's audit events; fsync is ours
NO_DISK = 77  # exit status of a child that may not mount
STAGES = {  # part of a path -> what is being done
    "/.cache/": "cache", "checkpoint.pt": "checkpoint", "weights.safetensors": "weights", "/snapshots": "snapshot",
    "/samples": "samples", "log.jsonl": "log", "/records": "records", "/figures": "table", "/runs/notebooks": "notebook",
}  # fmt: skip
NAMES = ("start", "step", *dict.fromkeys(STAGES.values()))


def process(function: Callable, *arguments, said: Path | None = None) -> BaseProcess:
    """A function in a process and a process group of its own, started; what it prints goes to the file `said`."""
    child = CONTEXT.Process(target=_run, args=(function, arguments, os.environ["SMIS_HOME"], said))
    child.start()
    return child


def _run(function: Callable, arguments: tuple, home: str, said: Path | None) -> None:
    os.setsid()
    os.environ["SMIS_HOME"] = home
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout = sys.stderr = Path(said or os.devnull).open("a", buffering=1)  # noqa: SIM115 (open until the process ends)
    for stream in (1, 2):
        os.dup2(sys.stdout.fileno(), stream)
    function(*arguments)


def killed(function: Callable, *arguments, rng: random.Random, operations: int, size: int, seconds: float) -> str | None:
    """Run `function` in a process that dies: at one of its first `operations` on files and steps, when a file that it writes
    grows beyond some number of bytes up to `size`, or after up to so many `seconds`. What it was doing; None if it was faster.
    """
    how, stage = rng.choice(["operation", "operation", "write", "clock"]), CONTEXT.Value("i", 0, lock=False)
    at = {"operation": rng.randint(1, operations), "write": int(size ** rng.uniform(0.3, 1)), "clock": 0}[how]
    child = process(_with_fuse, how, at, stage, function, arguments)
    if how == "clock":
        child.join(rng.uniform(0, seconds))
        kill_group(child)
    child.join(300)
    assert child.exitcode in (0, -signal.SIGKILL, -signal.SIGXFSZ), (function, how, at, child.exitcode)
    return NAMES[stage.value] if child.exitcode else None


def kill_group(child: BaseProcess) -> None:
    """SIGKILL to a process of `process` and all that it started."""
    while child.is_alive():
        try:
            if os.getpgid(child.pid) == child.pid:  # else it has not come so far
                os.killpg(child.pid, signal.SIGKILL)
                return
        except ProcessLookupError:
            return
        time.sleep(0.001)


def _with_fuse(how: str, at: int, stage, function: Callable, arguments: tuple) -> None:
    done, home = 0, os.environ["SMIS_HOME"]

    def tick(doing: str) -> None:
        nonlocal done
        done += 1
        stage.value = NAMES.index(doing)
        if how == "operation" and done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, of: tuple) -> None:
        if event in CALLS and (path := str(of[0])).startswith(home):
            tick(next((doing for part, doing in STAGES.items() if part in path), "start"))

    def fsync(file: int, original=os.fsync) -> None:
        link = Path(f"/proc/self/fd/{file}")  # what it is of, where the system says so
        sys.audit("os.fsync", str(link.readlink()) if link.exists() else home)
        original(file)

    def update(*of, original=training._update) -> None:
        tick("step")
        original(*of)

    os.fsync, training._update = fsync, update
    sys.addaudithook(audit)
    if how == "write":  # the kernel ends the process in the middle of the write that goes beyond
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, at))
    function(*arguments)


# --- disks ------------------------------------------------------------------------------------------------------------

UNSHARE_MOUNTS, UNSHARE_USER, PRIVATE, READ_ONLY, REMOUNT = 0x20000, 0x10000000, (1 << 14) | (1 << 18), 1, 32


def mount_disk(folder: Path, megabytes: int) -> None:
    """A disk of its own at `folder`, for this process alone (a child's: its mounts go with it). Ends it where none is allowed."""
    libc, uid = ctypes.CDLL(None, use_errno=True), os.getuid()
    if sys.platform != "linux" or (libc.unshare(UNSHARE_MOUNTS) and libc.unshare(UNSHARE_MOUNTS | UNSHARE_USER)):
        os._exit(NO_DISK)
    if os.getuid() != uid:  # in a user namespace: whom its root stands for
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    if libc.mount(None, b"/", None, PRIVATE, None) or libc.mount(
        b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={megabytes}m".encode()
    ):
        os._exit(NO_DISK)


def set_read_only(folder: Path, on: bool) -> None:
    """Whether the disk at `folder` may be written."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"tmpfs", bytes(folder), b"tmpfs", REMOUNT | (READ_ONLY if on else 0), None) == 0, ctypes.get_errno()


def fill(folder: Path, left: int) -> Path:
    """Take all of a disk but `left` bytes; the file that holds them."""
    ballast = folder / "ballast"
    there = os.statvfs(folder)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, there.f_bavail * there.f_frsize - left))
    return ballast
