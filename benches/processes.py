"""Starts a process, feeds it, and reads what it cost from the operating system's own accounting."""

import ctypes
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# What a pipe holds without a reader. What goes through one here is a few hundred bytes.
PIPE_CAPACITY = 64 * 1024
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Program:
    """What to start, and with which environment."""

    argv: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """What one process wrote, and what it cost."""

    status: int
    stdout: bytes
    stderr: bytes
    cpu: float
    """Seconds of user and system time; the kernel's sum is exact where its parts are not."""
    wall: float
    """Seconds from before its start to after its end."""
    faults: int
    """Page faults."""
    peak: float
    """The most memory that was resident at a time, in MiB; from `run` no less than Python's."""


def run(program: Program, stdin: bytes) -> Run:
    """Run a process from its start to its exit."""
    return _run(program.argv, program.environment, stdin, reap_first=False)


def run_for_peak(program: Program, stdin: bytes) -> Run:
    """Run a process so that its peak memory is its own.

    A process inherits the peak of the program that it replaces, and this one's is higher than what
    is to be measured. So a shell starts it in the background and ends; Linux hands us the orphan.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    argv = ["/bin/sh", "-c", '"$@" <&3 3<&- &', "sh", *program.argv]
    return _run(argv, program.environment, stdin, reap_first=True)


def _run(argv: Sequence[str], env: Mapping[str, str], stdin: bytes, *, reap_first: bool) -> Run:
    assert len(stdin) < PIPE_CAPACITY, "nobody reads while it is written"
    (stdin_read, stdin_write), (out_read, out_write), (err_read, err_write) = pipes = (
        os.pipe(),
        os.pipe(),
        os.pipe(),
    )
    ends = {end for pipe in pipes for end in pipe}
    try:
        os.write(stdin_write, stdin)
        os.close(stdin_write)
        ends.remove(stdin_write)
        # The shell's own standard input is not what its background process gets.
        targets = [(stdin_read, 0), (out_write, 1), (err_write, 2)]
        targets += [(stdin_read, 3)] if reap_first else []
        actions = [(os.POSIX_SPAWN_DUP2, end, target) for end, target in targets]
        began = time.perf_counter()
        started = os.posix_spawn(argv[0], list(argv), dict(env), file_actions=actions)
        if reap_first:
            os.waitpid(started, 0)
        _, status, usage = os.wait4(-1 if reap_first else started, 0)
        wall = time.perf_counter() - began
        for end in (out_write, err_write):
            os.close(end)
            ends.remove(end)
        return Run(
            status=os.waitstatus_to_exitcode(status),
            stdout=os.read(out_read, PIPE_CAPACITY),
            stderr=os.read(err_read, PIPE_CAPACITY),
            cpu=usage.ru_utime + usage.ru_stime,
            wall=wall,
            faults=usage.ru_minflt + usage.ru_majflt,
            peak=usage.ru_maxrss / 1024,
        )
    finally:
        for end in ends:
            os.close(end)


def count_disk_waits(program: Program, stdin: bytes) -> int | None:
    """Count how often a run waits for the disk; None where strace is missing or not permitted."""
    with tempfile.NamedTemporaryFile() as trace:
        strace = ["strace", "-qq", "-o", trace.name, "-e", "trace=fsync,fdatasync,sync,msync"]
        try:
            subprocess.run(
                [*strace, *program.argv],
                input=stdin,
                env=dict(program.environment),
                capture_output=True,
                check=True,
            )
        except (FileNotFoundError, subprocess.CalledProcessError):
            return None
        return len(Path(trace.name).read_text().splitlines())
