"""Whether two outcomes of one invocation are the same, as far as anybody outside can tell."""

import json
from dataclasses import dataclass

from wire import Invocation, Json, Outcome, canonical

# The SDK's reasons that stand for a fault of the service, or for a hook that nobody wrote: their
# wording is ours to choose.
FAULTS = ("Communication Error", "Backend service unreachable")
FREE_REASONS = (
    "http is not reachable, fallback enabled",
    "Authentication hook not implemented",
    "Authorize hook not implemented",
)
ABSENT = "(absent)"


@dataclass(frozen=True)
class Difference:
    """One place where the sides disagree."""

    place: str
    sdk: str
    ours: str


def differences(invocation: Invocation, sdk: Outcome, ours: Outcome) -> list[Difference]:
    """List everything in which our outcome is not the SDK's."""
    found = _requests(sdk, ours)
    if ours.malformed is not None:
        found.append(Difference("standard output", "one JSON value", repr(ours.malformed)))
    elif sdk.fault is not None:
        found += _closed(invocation, sdk, ours)
    elif ours.fault is not None:
        found.append(Difference("exit status", "0", ours.fault.kind))
        found += _responses(sdk.response, ours.response)
    else:
        found += _responses(sdk.response, ours.response)
    return found


def is_closed(hook: str, response: Json) -> bool:
    """Say whether a response lets nobody in and hands nothing out."""
    if hook == "session_ended":
        return response is None
    if not isinstance(response, dict):
        return False
    if hook in ("authenticate", "authorize"):
        return response.get("verdict") == "DENY"
    handed_out = ("passwords", "private_keys", "totp_codes")
    return not any(response.get(member) for member in handed_out)


def _closed(invocation: Invocation, sdk: Outcome, ours: Outcome) -> list[Difference]:
    """Where the SDK raises, ours has to give the closed response and say so in its status."""
    assert sdk.fault is not None
    if ours.fault is not None and ours.fault.kind == sdk.fault.kind:
        return []  # SDK against SDK; the messages name each side's own folder
    expected = f"{sdk.fault.kind}: {sdk.fault.message}"
    found = []
    if ours.fault is None or ours.fault.kind not in ("exit status 1", "exit status 2"):
        kind = ours.fault.kind if ours.fault else "exit status 0"
        found.append(Difference("exit status", expected, kind))
    if not is_closed(invocation.hook, ours.response):
        found.append(Difference("closed response", expected, canonical(ours.response)))
    return found


def _requests(sdk: Outcome, ours: Outcome) -> list[Difference]:
    sent_by_sdk = [request.sent() for request in sdk.requests]
    sent_by_us = [request.sent() for request in ours.requests]
    if sent_by_sdk == sent_by_us:
        return []
    return [Difference("HTTP requests", canonical(sent_by_sdk), canonical(sent_by_us))]


def _responses(sdk: Json, ours: Json) -> list[Difference]:
    if not isinstance(sdk, dict) or not isinstance(ours, dict):
        same = canonical(sdk) == canonical(ours)
        return [] if same else [Difference("response", canonical(sdk), canonical(ours))]
    left, right = _visible(sdk), _visible(ours)
    if not _comparable(sdk, ours):
        left.pop("additional_metadata.reason", None)
        right.pop("additional_metadata.reason", None)
    return [
        Difference(place, left.get(place, ABSENT), right.get(place, ABSENT))
        for place in sorted(left.keys() | right.keys())
        if left.get(place, ABSENT) != right.get(place, ABSENT)
    ]


def _visible(response: dict[str, Json]) -> dict[str, str]:
    """Flatten a response to what is compared: each place with the text of its value."""
    result = {}
    for member, value in response.items():
        if member == "cookie" and isinstance(value, dict):
            for name, kept in value.items():
                # Each implementation keeps its own affairs under a name of its own.
                if not name.startswith("_"):
                    result[f"cookie.{name}"] = canonical(kept)
        elif member == "additional_metadata":
            result["additional_metadata.reason"] = _reason(value)
        else:
            result[member] = canonical(value)
    return result


def _reason(metadata: Json) -> str:
    """Read the reason out of additional_metadata, a text that holds JSON."""
    try:
        return canonical(json.loads(metadata)["reason"])
    except (TypeError, ValueError, KeyError):
        return f"(no reason in {metadata!r})"


def _comparable(sdk: dict[str, Json], ours: dict[str, Json]) -> bool:
    """Say whether the reason in additional_metadata is fixed: in verdicts that are not faults."""
    verdicts = ("ACCEPT", "DENY")
    if sdk.get("verdict") not in verdicts or ours.get("verdict") not in verdicts:
        return False
    if sdk.get("reason") in FAULTS:
        return False
    return _reason(sdk.get("additional_metadata")) not in map(canonical, FREE_REASONS)
