"""From a hook's arguments to the binary's answer; without one, the answer that lets nobody in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from . import appliance, binary, process
from .failure import Failure, log

# The binary ends by itself when [plugin] time_budget is spent; this much later it is ended.
GRACE_SECONDS = 10.0
DEFAULT_BUDGET = 90.0
MAX_BUDGET = 3600.0
# The hook ran; it could not do its work; the invocation or the configuration cannot be used.
STATUSES = (0, 1, 2)
VERDICTS = ("ACCEPT", "DENY", "NEEDINFO", "NONE")
# What a hook hands out, and under which name.
LISTS = {
    "get_password_list": "passwords",
    "get_private_key_list": "private_keys",
    "get_remote_app_credentials": "passwords",
    "get_totp_codes": "totp_codes",
}
SENTENCE = "Internal plugin error"


def hand_over(plugin_type: str, hook: str, configuration: str, names: Mapping[str, Any]) -> Any:
    """Give the binary's answer to a hook. `names` are its arguments, and `self`, which is none."""
    arguments = {name: value for name, value in names.items() if name != "self"}
    try:
        settings = appliance.Settings(configuration)
        invocation = {
            "hook": hook,
            "type": plugin_type,
            "arguments": arguments,
            "configuration": configuration,
            "appliance": appliance.resolve(settings, hook, arguments),
        }
        stdin = json.dumps(invocation).encode("ascii")
        status, stdout = process.run(binary.executable(), stdin, _seconds(settings))
        return _checked(hook, status, stdout)
    except Failure as failure:
        log("error", f"{hook}: {failure}")
    except Exception as error:
        # Its text may quote the configuration, and with it a secret; its place is enough.
        log("error", f"{hook}: {type(error).__name__} at {_place(error)}")
    return _closed(hook, arguments)


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "nowhere"


def _seconds(settings: appliance.Settings) -> float:
    try:
        budget = float(settings.get("plugin", "time_budget") or DEFAULT_BUDGET)
    except ValueError:
        # The binary refuses it, and says so.
        budget = DEFAULT_BUDGET
    if not 0 < budget <= MAX_BUDGET:
        budget = DEFAULT_BUDGET
    return budget + GRACE_SECONDS


def _checked(hook: str, status: int, stdout: bytes) -> Any:
    """Give the answer if it is one that this hook can have."""
    if status not in STATUSES:
        raise Failure(f"the binary ended with status {status}")
    try:
        answer = json.loads(stdout.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Failure(f"the binary's answer is no JSON; it ended with status {status}") from None
    if not _fits(hook, answer):
        raise Failure(f"the binary's answer is none to this hook; it ended with status {status}")
    if status != 0 and not _is_closed(hook, answer):
        raise Failure(f"the binary ended with status {status}, and its answer does not say so")
    return answer


def _fits(hook: str, answer: Any) -> bool:
    if hook == "session_ended":
        return answer is None
    if not isinstance(answer, dict):
        return False
    if not all(isinstance(answer.get(name), dict) for name in ("cookie", "session_cookie")):
        return False
    if hook in LISTS:
        # A provider that knows no such codes leaves them out.
        absent = hook == "get_totp_codes" and "verdict" not in answer
        return isinstance(answer.get(LISTS[hook], [] if absent else None), list)
    return hook == "authentication_completed" or answer.get("verdict") in VERDICTS


def _is_closed(hook: str, answer: Any) -> bool:
    if answer is None or hook == "authentication_completed":
        return True
    return not answer.get(LISTS[hook]) if hook in LISTS else answer["verdict"] == "DENY"


def _closed(hook: str, arguments: Mapping[str, Any]) -> Any:
    """Give the answer that lets nobody in and hands nothing out."""
    if hook == "session_ended":
        return None
    cookies = {name: arguments.get(name) or {} for name in ("cookie", "session_cookie")}
    if hook == "authentication_completed":
        return cookies
    if hook == "get_remote_app_credentials":
        nothing: dict[str, Any] = {"launch_information": [], "additional_information": {}}
        return {
            "account": "",
            "asset": "",
            "passwords": [],
            "need_info": False,
            **nothing,
            **cookies,
        }
    if hook in LISTS:
        return {LISTS[hook]: [], **cookies}
    metadata = json.dumps({"reason": SENTENCE})
    return {"verdict": "DENY", "reason": SENTENCE, "additional_metadata": metadata, **cookies}
