"""Runs one group of sessions on both sides, in step, and compares after every hook."""

from collections import Counter
from dataclasses import dataclass, field

from aa_setup import aa_setup
from common_setup import Setup
from compare import Difference, differences
from credential_setup import credential_setup
from deviations import (
    CHECKED_IN_ONCE,
    VALUE_NOT_PRINTED,
    Case,
    Deviation,
    History,
    explanation,
    prints_value,
    refuses_value,
)
from dialogues import Call, Dialogue, dialogue, first_session_cookie, others_cookie
from dice import Dice
from events import CheckOuts, events
from sdk_side import argument_names
from spelling import spelled
from wire import AA, CREDENTIAL_STORE, Invocation, Json, Outcome, Side, copied

START = 1_790_000_000
# Around the default timeouts of the cache, 15 and 90 seconds, and between them.
PAUSES = [0, 0, 0, 0, 1, 2, 5, 10, 14, 15, 16, 30, 60, 89, 91, 300]
NO_TIME = [0, 0, 0, 1]


@dataclass
class Disagreement:
    """A difference that nothing explains, with all that it takes to understand it."""

    group: int
    invocation: Invocation
    sdk: Outcome
    ours: Outcome
    differences: list[Difference]


@dataclass
class GroupReport:
    """What came of a group."""

    number: int
    planned: int
    sessions: int = 0
    hooks: int = 0
    cut_short: int = 0
    events: Counter[str] = field(default_factory=Counter)
    deviations: Counter[str] = field(default_factory=Counter)
    disagreement: Disagreement | None = None
    trace: list[tuple[Invocation, Outcome, Outcome]] = field(default_factory=list)
    # A traceback: the harness itself failed.
    broken: str | None = None


@dataclass
class Session:
    """A session in progress, with the cookies that SPS carries for each side."""

    dialogue: Dialogue
    cookies: tuple[Json, Json]
    session_cookies: tuple[Json, Json]
    call: Call | None = None
    check_outs: CheckOuts = field(default_factory=CheckOuts)


class Stop(Exception):
    """Nothing more in this group can be compared."""


def planned_sessions(seed: str, number: int) -> tuple[str, int]:
    """Say, without running it, which plugin a group is of and how many sessions it has."""
    dice = Dice(f"{seed}/{number}/plan")
    plugin = dice.weighted({AA: 64, CREDENTIAL_STORE: 36})
    return plugin, dice.randint(2, 7)


def run_group(seed: str, number: int, sides: tuple[Side, Side]) -> GroupReport:
    """Run every session of a group."""
    plugin, size = planned_sessions(seed, number)
    group = _Group(Dice(f"{seed}/{number}"), plugin, GroupReport(number, size), sides)
    for side in sides:
        side.begin(f"{seed}/{number}")
    try:
        group.run()
    except Stop:
        pass
    finally:
        for side in sides:
            side.end()
    return group.report


class _Group:
    def __init__(
        self, dice: Dice, plugin: str, report: GroupReport, sides: tuple[Side, Side]
    ) -> None:
        self.report = report
        self._dice = dice
        self._sides = sides
        self._setup: Setup = aa_setup(dice) if plugin == AA else credential_setup(dice)
        # Spelling has dice of its own, so that it can change without changing the sessions.
        self._spelling = Dice(f"{dice.random()}/spelling")
        self._history = History()
        self._clock = START + dice.randint(0, 10**6)
        # Hurried groups stay within the timeouts; the others run into them.
        self._pauses = NO_TIME if dice.chance(0.55) else PAUSES

    def run(self) -> None:
        """Keep a few sessions open at a time, and go on with any of them."""
        dice = self._dice
        at_once = dice.choice([1, 2, 3, 7])
        waiting = [self._session(number) for number in range(self.report.planned)]
        live: list[Session] = []
        while waiting or live:
            while waiting and len(live) < at_once:
                live.append(self._begin(waiting.pop(0)))
            session = dice.choice(live)
            if session.call is None or not self._go_on(session):
                live.remove(session)
                self.report.sessions += 1
            self._clock += dice.choice(self._pauses)
            if dice.chance(0.04):
                self._restart()

    def _restart(self) -> None:
        for side in self._sides:
            side.restart()
        self.report.events["restarted"] += 1
        # Nobody shares a limit with those who were counted before.
        self._history.forget_limits()

    def _session(self, number: int) -> Session:
        session_id = (
            f"svc/{self._dice.choice(['abc', 'dé f', 'x:y'])}:{self.report.number}-{number}"
        )
        first = first_session_cookie(self._dice, self._setup.plugin)
        talk = dialogue(self._dice, self._setup, session_id)
        return Session(talk, ({}, {}), (copied(first), copied(first)))

    @staticmethod
    def _begin(session: Session) -> Session:
        session.call = next(session.dialogue, None)
        return session

    def _go_on(self, session: Session) -> bool:
        """Run the session's next hook on both sides; say whether there is another."""
        call = session.call
        assert call is not None
        self._let_others_write(session)
        invocations = [self._invocation(session, call, index) for index in (0, 1)]
        sdk, ours = (
            side.call(invocation, call.service_up)
            for side, invocation in zip(self._sides, invocations, strict=True)
        )
        self.report.hooks += 1
        self.report.events.update(events(self._setup, invocations[0], sdk))
        self._note(session, invocations[1], sdk, ours)
        self._history.learn(invocations[0], sdk)
        deviation = self._judge(call, invocations[1], sdk, ours)
        if deviation is not None and deviation.reach == "session":
            self.report.cut_short += 1
            return False
        self._keep_cookies(session, call, (sdk, ours))
        try:
            session.call = session.dialogue.send(sdk)
        except StopIteration:
            return False
        return True

    def _let_others_write(self, session: Session) -> None:
        """Let another plugin of the session write into the session cookie between two calls."""
        if not self._dice.chance(0.06):
            return
        written = others_cookie(self._dice)
        self.report.events["another plugin wrote"] += 1
        for cookie in session.session_cookies:
            cookie.update(copied(written))

    def _invocation(self, session: Session, call: Call, index: int) -> Invocation:
        arguments = dict(call.arguments)
        arguments["cookie"] = call.foreign_cookie or session.cookies[index]
        arguments["session_cookie"] = session.session_cookies[index]
        names = argument_names(self._setup.plugin, call.hook)
        arguments = {name: arguments.get(name) for name in names}
        return Invocation(
            self._setup.plugin,
            call.hook,
            copied(arguments),
            self._setup.configuration,
            self._setup.appliance,
            self._clock,
            spelled(self._spelling, copied(arguments)),
        )

    def _note(self, session: Session, invocation: Invocation, sdk: Outcome, ours: Outcome) -> None:
        """Record the call, and the deviations that no response shows."""
        self.report.trace.append((invocation, sdk, ours))
        faults = session.check_outs.faults(invocation.hook, sdk)
        if faults:
            self.report.deviations[CHECKED_IN_ONCE] += faults
        if refuses_value(sdk) and not prints_value(ours):
            self.report.deviations[VALUE_NOT_PRINTED] += 1

    def _judge(
        self, call: Call, invocation: Invocation, sdk: Outcome, ours: Outcome
    ) -> Deviation | None:
        """Compare, and either explain the differences or stop the group."""
        found = differences(invocation, sdk, ours)
        two_sdks = self._sides[0].name == self._sides[1].name
        if not two_sdks and refuses_value(sdk) and prints_value(ours):
            found.append(Difference("standard error", "", "repeats the unusable value"))
        foreign = call.foreign_cookie is not None
        case = Case(self._setup, self._history, invocation, foreign, sdk, ours, found)
        # A deviation may also be met where both are closed: the SDK by an exception.
        deviation = explanation(case) if found or sdk.fault else None
        if deviation is not None:
            self.report.deviations[deviation.name] += 1
            if not found:
                return None
            if deviation.reach == "group":
                self.report.cut_short += self.report.planned - self.report.sessions
                self.report.sessions = self.report.planned
                raise Stop
            return deviation
        if found:
            self.report.disagreement = Disagreement(
                self.report.number, invocation, sdk, ours, found
            )
            raise Stop
        return None

    @staticmethod
    def _keep_cookies(session: Session, call: Call, outcomes: tuple[Outcome, Outcome]) -> None:
        """Carry the cookies on, as SPS does; a hook that failed leaves them as they were."""
        if outcomes[0].fault is not None or not isinstance(outcomes[0].response, dict):
            return
        if not isinstance(outcomes[1].response, dict):
            return
        sdk, ours = (outcome.response for outcome in outcomes)
        session.cookies = (sdk.get("cookie", {}), ours.get("cookie", {}))
        session.session_cookies = (
            sdk.get("session_cookie", {}),
            ours.get("session_cookie", {}),
        )
