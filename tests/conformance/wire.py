"""What goes to a side and what comes back, the same for the SDK and for our binary."""

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

# A parsed JSON value. Naming its shape would need a cast at every access.
Json = Any

AA = "aa"
CREDENTIAL_STORE = "credentialstore"


@dataclass(frozen=True)
class Invocation:
    """One hook call, complete: what SPS would hand to the plugin."""

    plugin: str
    hook: str
    arguments: dict[str, Json]
    configuration: str
    appliance: dict[str, Json]
    clock: int
    # The arguments as our side gets them: other spellings of the same (see spelling.py).
    spelled: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One HTTP request as the scripted service saw it, and what it answered."""

    method: str
    path: str
    body: Json
    authorization: str | None
    answer: str

    def sent(self) -> tuple[str, str, str, str | None]:
        """Give the part that the client is answerable for, comparable."""
        return self.method, self.path, canonical(self.body), self.authorization


@dataclass(frozen=True)
class Fault:
    """A hook that could not do its work: an exception of the SDK, or an exit status of ours."""

    kind: str
    message: str = ""


@dataclass
class Outcome:
    """What a side made of an invocation."""

    response: Json
    fault: Fault | None = None
    requests: list[Request] = field(default_factory=list)
    # The SDK's log messages, or the lines of our standard error.
    log: list[str] = field(default_factory=list)
    # Standard output where it is not one JSON value and a newline.
    malformed: str | None = None

    def member(self, name: str) -> Json:
        """Give a member of the response, null where there is none."""
        return self.response.get(name) if isinstance(self.response, dict) else None


class Side(Protocol):
    """One of the two implementations that are compared."""

    name: str

    def begin(self, group: str) -> None:
        """Forget all state: the next calls belong to another group of sessions."""

    def call(self, invocation: Invocation, service_up: bool) -> Outcome:
        """Run one hook."""

    def restart(self) -> None:
        """Lose the ephemeral state, as the appliance does when it restarts."""

    def end(self) -> None:
        """Remove what the group left behind."""


def copied(value: Json) -> Json:
    """Copy a value as the wire does; tuples come back as lists."""
    return json.loads(json.dumps(value))


def canonical(value: Json) -> str:
    """Give a text that is equal for equal values, and keeps 1, 1.0 and true apart."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
