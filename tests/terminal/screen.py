"""A real terminal for one program: tmux on a socket of its own, typed into and read off."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

# Nothing here takes this long; it only bounds the wait for what never comes.
PATIENCE = 60.0
PAUSE = 0.02
WIDTH, HEIGHT = 200, 60
# A shell without a line editor of its own, which would hide what the terminal shows, and which
# outlives a program that Ctrl-C ends. What follows the program shows what is typed if the terminal
# does.
SCRIPT = """
trap : INT QUIT
stty -g >before
"$@"
echo "status=$?"
stty -g >after
echo "ready"
exec cat >rest
"""


class Failed(Exception):
    """Something is not as it has to be."""


def expect(condition: bool, what: str, *seen: object) -> None:
    """Raise Failed unless a condition holds."""
    if not condition:
        raise Failed("\n".join([what, *(str(one) for one in seen)]))


class Screen:
    """A program at work in a terminal."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sps-plugin-terminal-")
        self._path = Path(self._folder.name)
        clean = ["env", "-i", *(f"{name}={value}" for name, value in environment.items())]
        command = shlex.join([*clean, "sh", "-c", SCRIPT, "sh", *words])
        self._tmux(
            *("-f", "/dev/null", "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT)),
            *("-c", str(self._path), command),
        )

    def __enter__(self) -> Screen:
        """Give the screen."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the program and its terminal."""
        # The server of this socket and no other; it may have ended with its only program.
        subprocess.run(
            ["tmux", "-S", str(self._path / "socket"), "kill-server"],
            capture_output=True,
            check=False,
        )
        self._folder.cleanup()

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", str(self._path / "socket"), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "TERM": "xterm", "TMUX": "", "LC_ALL": "C.UTF-8"},
        )
        expect(done.returncode == 0, f"tmux {words[0]} fails", done.stderr)
        return done.stdout

    def type(self, text: str) -> None:
        """Type a text as it is, without Enter."""
        self._tmux("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names: Enter, C-c, BSpace."""
        self._tmux("send-keys", "--", *keys)

    def settle(self) -> str:
        """Let what was typed arrive where nothing of it is shown; give everything that is shown."""
        # tmux hands the keys on before it gets to what it is asked later.
        for _ in range(3):
            shown = self.shown()
        return shown

    def shown(self) -> str:
        """Give everything that was shown so far, with lines that were wrapped in one piece."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def wait(self, text: str) -> str:
        """Wait until a text is shown, and give everything that is shown then."""
        return self.wait_for(lambda shown: text in shown, repr(text))

    def wait_times(self, text: str, times: int) -> str:
        """Wait until a text is shown so many times."""
        return self.wait_for(lambda shown: shown.count(text) == times, f"{text!r}, {times} times")

    def wait_for(self, there: Callable[[str], bool], what: str) -> str:
        """Wait until what is shown is as it has to be."""
        until = time.monotonic() + PATIENCE
        while True:
            shown = self.shown()
            if there(shown):
                return shown
            expect(time.monotonic() < until, f"{what} is not shown", shown)
            time.sleep(PAUSE)

    def answer(self, prompt: str, text: str, *, hidden: bool) -> None:
        """Wait for a prompt, type an answer, and see whether it is shown."""
        self.wait(prompt)
        self.type(text)
        if hidden:
            # Once the next thing is shown, this would be too; the end looks again.
            self.press("Enter")
        else:
            self.wait(text)
            self.press("Enter")

    def end(self, status: int) -> str:
        """Wait for the end; see that the terminal is as it was and shows what is typed."""
        self.wait("status=")
        shown = self.wait("\nready")
        expect(f"status={status}\n" in shown, f"the exit status is not {status}", shown)
        before, after = ((self._path / name).read_text() for name in ("before", "after"))
        expect(before == after, "the terminal is not as it was", before, after)
        self.type("shown-again")
        self.wait("\nshown-again")
        self.press("Enter")
        until = time.monotonic() + PATIENCE
        while not (rest := (self._path / "rest").read_text()):
            expect(time.monotonic() < until, "nothing that is typed arrives")
            time.sleep(PAUSE)
        expect(rest == "shown-again\n", "what was typed before goes to the shell", rest)
        return shown
