"""What counts as an outage behind a real haproxy and a real nginx."""

from __future__ import annotations

import sys

from proxies import CODE, Site
from support import Answer, Checks, Session, State, manage

checks = Checks()
UNREACHABLE = "Backend service unreachable"
COMMUNICATION_ERROR = "Communication Error"
FAILED = "Authentication failed"
PROXIES = ("haproxy", "nginx")


class Settings:
    """One way to configure what an outage means, with a state of its own."""

    def __init__(self, servers: str, name: str) -> None:
        self.state = State()
        self.by = {"ignored": "ignore_connection_error", "fallback": "local", "two": "http otp"}[
            name
        ]
        mfa = "fallback = local\n" if name == "fallback" else ""
        more = "ignore_connection_error = yes\n" if name == "ignored" else ""
        self.configuration = (
            f"[mfa]\nprovider = http\noutage_after = 60\n{mfa}"
            f"[http]\nserver_url = {servers}\ntimeout = 20\n{more}"
        )
        if name == "fallback":
            enroll = f"enroll --type spass --serial S1 --user alice --pin {CODE}"
            manage(self.state, self.configuration, enroll)

    def login(self, code: str = CODE, clock: int | None = None) -> Answer:
        """Log in once."""
        session = Session(self.configuration, "alice", self.state)
        session.clock = clock
        return session.say(code)


def each(site: Site, proxy: str, path: str) -> list[Settings]:
    """Return every way to configure what an outage means, for one manner of a proxy."""
    bad = site.url(proxy, path)
    good = site.url(proxy, "two/")
    return [
        Settings(bad, "ignored"),
        Settings(bad, "fallback"),
        Settings(f"{bad}, {good}", "two"),
    ]


def never(site: Site, proxy: str, path: str, shown: str) -> None:
    """Expect a denial of two logins, whatever is configured."""
    for settings in each(site, proxy, path):
        for _ in range(2):
            settings.login().denied(shown)


def unproven(site: Site, proxy: str, path: str) -> None:
    """Expect that a silence from the start is no outage, and costs one login of two servers."""
    ignored, fallback, two = each(site, proxy, path)
    for settings in (ignored, fallback):
        for clock in (1000, 1061, 2000):
            settings.login(clock=clock).denied(UNREACHABLE)
    two.login().denied(UNREACHABLE)
    for _ in range(2):
        two.login().accepted(two.by)


@checks.check
def through(site: Site) -> None:
    """A code is checked by the service behind a proxy."""
    for proxy in PROXIES:
        for settings in each(site, proxy, "well/"):
            settings.login().accepted("http otp")
            settings.login("654321").denied("N/A")


@checks.check
def long_answer(site: Site) -> None:
    """An answer that is beyond the limit of a proxy is a denial, and marks nothing down."""
    for proxy in PROXIES:
        for settings in each(site, proxy, "well/"):
            for size in (20_000, 200_000, 1_000_000):
                settings.login("1" * size).denied(FAILED)
            settings.login().accepted("http otp")


@checks.check
def too_large(site: Site) -> None:
    """A 413 of a proxy is an error and no outage."""
    for proxy in PROXIES:
        never(site, proxy, "short/", COMMUNICATION_ERROR)


@checks.check
def backend_stops(site: Site) -> None:
    """A 502 of nginx or a 503 of haproxy is an outage once it has lasted for a minute."""
    for proxy in PROXIES:
        ignored, fallback, _ = each(site, proxy, "well/")
        for settings in (ignored, fallback):
            settings.login(clock=1000).accepted("http otp")
        site.stop_service()
        try:
            for settings in (ignored, fallback):
                for clock in (2000, 2001, 2030):
                    settings.login(clock=clock).denied(UNREACHABLE)
                settings.login(clock=2060).accepted(settings.by)
        finally:
            site.start_service()
        for settings in (ignored, fallback):
            settings.login(clock=2070).accepted("http otp")


@checks.check
def no_backend(site: Site) -> None:
    """A 502 of nginx or a 503 of haproxy that was always there is no outage."""
    for proxy in PROXIES:
        unproven(site, proxy, "down/")


@checks.check
def no_backend_for_codes(site: Site) -> None:
    """A 502 or 503 for logins alone is no outage, because the second question is answered."""
    for proxy in PROXIES:
        never(site, proxy, "down-for-codes/", UNREACHABLE)


@checks.check
def rejected(site: Site) -> None:
    """What haproxy closes is a reason for a second server only if the question is closed too."""
    unproven(site, "haproxy", "closed/")
    never(site, "haproxy", "closed-to-codes/", UNREACHABLE)


@checks.check
def slow(site: Site) -> None:
    """A 504 of nginx is a reason for a second server only if the question gets one too."""
    unproven(site, "nginx", "slow/")
    never(site, "nginx", "slow-with-codes/", UNREACHABLE)


if __name__ == "__main__":
    sys.exit(checks.run_at(Site))
