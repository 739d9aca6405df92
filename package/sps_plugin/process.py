"""One run of the binary: a bounded exchange that always comes to an end."""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import IO

from .failure import Failure

# The binary reads 1 MiB at most, and answers with little more than it was given.
MAX_RESPONSE = 4 * 1024 * 1024
MAX_LOG = 1024 * 1024
CHUNK = 64 * 1024
# How long a process that was killed may take to be gone.
KILL_SECONDS = 5


def run(binary: str, stdin: bytes, seconds: float) -> tuple[int, bytes]:
    """Run the binary, pass its log on to ours, and give its status and its standard output."""
    deadline = time.monotonic() + seconds
    # The appliance's text is the whole configuration: neither a plugin.ini beside the binary nor a
    # file that the environment names is laid under it.
    environment = {**os.environ, "SPS_PLUGIN_CONFIG": os.devnull}
    # A session of its own, so that whatever it started can be ended with it.
    process = subprocess.Popen(
        [binary],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        stdout = _exchange(process, stdin, deadline)
        return process.wait(max(deadline - time.monotonic(), 0.0)), stdout
    except (TimeoutError, subprocess.TimeoutExpired):
        raise Failure(f"the binary did not answer within {seconds:.0f} s") from None
    finally:
        _end(process)


def _exchange(process: subprocess.Popen[bytes], stdin: bytes, deadline: float) -> bytes:
    stdout = bytearray()
    log = _Log()
    with selectors.DefaultSelector() as selector:
        for stream, event in zip(
            _streams(process), (selectors.EVENT_WRITE, *[selectors.EVENT_READ] * 2)
        ):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, event, stream)
        rest = memoryview(stdin)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in selector.select(left):
                if key.data is process.stdin:
                    rest = rest[_write(key.fd, rest) :]
                    over = not rest
                else:
                    chunk = os.read(key.fd, CHUNK)
                    over = not chunk
                    if key.data is process.stderr:
                        log.pass_on(chunk)
                    else:
                        stdout += chunk
                if len(stdout) > MAX_RESPONSE:
                    raise Failure(f"the binary's answer is longer than {MAX_RESPONSE} bytes")
                if over:
                    selector.unregister(key.fileobj)
                    key.data.close()
    return bytes(stdout)


def _write(pipe: int, rest: memoryview) -> int:
    try:
        return os.write(pipe, rest[:CHUNK])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        # It has stopped reading; what it answers says why.
        return len(rest)


def _streams(process: subprocess.Popen[bytes]) -> list[IO[bytes]]:
    return [
        stream for stream in (process.stdin, process.stdout, process.stderr) if stream is not None
    ]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind: neither the process, nor what it may have started, nor a pipe."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILL_SECONDS)
    for stream in _streams(process):
        stream.close()


class _Log:
    """Passes the binary's log on, as it comes, up to a bound."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._left = MAX_LOG

    def pass_on(self, chunk: bytes) -> None:
        """Write what came; what is too much is read and dropped."""
        chunk, self._left = chunk[: self._left], max(self._left - len(chunk), 0)
        sys.stderr.write(self._decoder.decode(chunk))
        sys.stderr.flush()
