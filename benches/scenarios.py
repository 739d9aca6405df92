"""What is measured: hooks as SPS calls them, each with its answer and its limits.

A new scenario is one more entry in `SCENARIOS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

# What an administrator writes for a small installation; a scenario adds its own sections.
CONFIGURATION = """
[mfa]
provider = none

[auth]
prompt = Enter the code of your token:
disable_echo = no

[username_transform]
append_domain = example.org

[logging]
log_level = info
"""

ARGUMENTS: Mapping[str, object] = {
    "cookie": {},
    "session_cookie": {},
    "session_id": "svc/mcqYJZ7pBxRpyLFVYkrUNf/ssh_to_db:1",
    "protocol": "ssh",
    "connection_name": "ssh_to_db",
    "client_ip": "10.1.2.3",
    "client_port": 50444,
    "client_hostname": None,
    "gateway_user": None,
    "gateway_domain": None,
    "server_username": "alice",
    "server_domain": None,
    "key_value_pairs": {},
}


@dataclass(frozen=True)
class Scenario:
    """One hook call, which every run repeats, and what it may cost."""

    answer: str
    """The verdict that every run has to give."""
    cpu_limit: float
    """Times the CPU time of the floor."""
    configuration: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)
    appliance: Mapping[str, object] = field(default_factory=dict)
    hook: str = "authenticate"
    durable_writes: int = 0
    """How often it waits for the disk. One write more than the floor is granted to it."""
    primed_by: Mapping[str, object] | None = None
    """Arguments of a call that is made once before, to leave its state behind."""
    peak_limit: float = 8.0
    """MiB."""

    def invocation(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """Make the JSON object for standard input."""
        return {
            "hook": self.hook,
            "type": "aa",
            "arguments": {**ARGUMENTS, **arguments},
            "configuration": CONFIGURATION + self.configuration,
            "appliance": self.appliance,
        }


CACHE = """
[authentication_cache]
reuse_limit = {reuse_limit}
soft_timeout = {soft_timeout}
hard_timeout = 86400
"""
OTP = {"key_value_pairs": {"otp": "123456"}}

SCENARIOS: dict[str, Scenario] = {
    "question": Scenario(answer="NEEDINFO", cpu_limit=1.5),
    "whitelist": Scenario(
        answer="ACCEPT",
        cpu_limit=1.5,
        configuration="\n[whitelist source=user_list]\nname = vip\n",
        appliance={"user_lists": {"vip": {"allow": "no_user", "except": ["alice", "root"]}}},
    ),
    "cache-hit": Scenario(
        answer="ACCEPT",
        cpu_limit=3.0,
        configuration=CACHE.format(reuse_limit=-1, soft_timeout=86400),
        durable_writes=1,
        primed_by=OTP,
    ),
    # No entry is fresh enough to be used, so each call authenticates and then renews the entry.
    "cache-refresh": Scenario(
        answer="ACCEPT",
        cpu_limit=3.0,
        configuration=CACHE.format(reuse_limit=3, soft_timeout=0),
        arguments=OTP,
        durable_writes=1,
    ),
}
