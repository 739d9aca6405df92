"""What a run has to say, for people."""

import json
import re
from collections import Counter, defaultdict

from deviations import MEANT, OBSERVED
from events import LEAST, missing
from group import Disagreement, GroupReport
from wire import Outcome

# Enough to begin with; the rest is usually the same again.
IN_FULL = 6


class Summary:
    """The reports of a run, added up."""

    def __init__(self, reports: list[GroupReport], seed: str, wanted: int, seconds: float) -> None:
        self._reports = reports
        self._seed = seed
        self._wanted = wanted
        self._seconds = seconds
        self._sessions = sum(report.sessions for report in reports)
        self._events: Counter[str] = Counter()
        self._deviations: Counter[str] = Counter()
        for report in reports:
            self._events.update(report.events)
            self._deviations.update(report.deviations)
        self._disagreements = [r.disagreement for r in reports if r.disagreement is not None]
        self._broken = [report for report in reports if report.broken is not None]

    def exit_status(self, with_events: bool) -> int:
        """Give 0 if the run shows what it is for."""
        unwalked = missing(self._events, self._wanted) if with_events else []
        failed = self._disagreements or self._broken or unwalked
        return 1 if failed or self._sessions < self._wanted else 0

    def show(self, with_events: bool) -> None:
        """Print everything, the differences first and the figures last."""
        self._show_disagreements()
        for report in self._broken:
            print(f"\n--- group {report.number}: the harness itself failed\n{report.broken}")
        print("\n--- met on the SDK's side")
        for event, count in sorted(self._events.items()):
            print(
                f"{count:7}  {event}"
                + (f"  (least {LEAST[event]} in 2000)" if event in LEAST else "")
            )
        print("\n--- meant deviations met")
        for name in [deviation.name for deviation in MEANT] + list(OBSERVED):
            print(f"{self._deviations[name]:7}  {name}")
        hooks = sum(report.hooks for report in self._reports)
        cut = sum(report.cut_short for report in self._reports)
        print("\n--- summary")
        print(f"sessions     {self._sessions} of {self._wanted}, {cut} cut short by a deviation")
        print(f"hooks        {hooks} compared")
        print(f"differences  {len(self._disagreements)}")
        for line in missing(self._events, self._wanted) if with_events else []:
            print(f"too few      {line}")
        print(f"time         {self._seconds:.0f} s")

    def _show_disagreements(self) -> None:
        kinds: dict[str, list[Disagreement]] = defaultdict(list)
        for disagreement in self._disagreements:
            kinds[_kind(disagreement)].append(disagreement)
        ranked = sorted(kinds.items(), key=lambda item: -len(item[1]))
        for kind, found in ranked[:IN_FULL]:
            print(f"\n=== {len(found)} × {kind}")
            _show(found[0], self._seed)
        if ranked:
            print("\n=== all kinds of difference")
        for kind, found in ranked:
            groups = ", ".join(str(item.group) for item in found[:8])
            print(f"{len(found):5} × {kind}  (--only {groups})")


def show_trace(report: GroupReport) -> None:
    """Print every hook of a group."""
    if report.trace:
        invocation = report.trace[0][0]
        print(f"configuration:\n{invocation.configuration}")
        print("appliance:", json.dumps(invocation.appliance, ensure_ascii=False))
    for invocation, sdk, ours in report.trace:
        print(f"\n--- {invocation.hook} at {invocation.clock}")
        print("  arguments", json.dumps(invocation.spelled, ensure_ascii=False))
        _show_outcome("SDK ", sdk)
        _show_outcome("ours", ours)


def _kind(disagreement: Disagreement) -> str:
    """Put differences together that are probably the same fault."""
    places = ", ".join(difference.place for difference in disagreement.differences)
    fault = disagreement.sdk.fault
    raised = f"; the SDK raised {fault.kind}" if fault else ""
    errors = [line for line in disagreement.ours.log if "error:" in line]
    # What stands in brackets or quotes, and numbers, differ from case to case of the same fault.
    said = re.sub(r"\[.*?\] ?|'.*?'|\d+", "…", f"; ours: {errors[0]}") if errors else ""
    return f"{disagreement.invocation.hook}: {places}{raised}{said}"


def _show(disagreement: Disagreement, seed: str) -> None:
    invocation = disagreement.invocation
    print(f"again: --seed {seed} --only {disagreement.group}")
    for difference in disagreement.differences:
        print(f"  {difference.place}")
        print(f"    SDK   {difference.sdk}")
        print(f"    ours  {difference.ours}")
    print("configuration:\n" + _indented(invocation.configuration))
    print("appliance:", json.dumps(invocation.appliance, ensure_ascii=False))
    print(f"--clock {invocation.clock}, {invocation.hook}:")
    print("  arguments", json.dumps(invocation.spelled, ensure_ascii=False))
    _show_outcome("SDK ", disagreement.sdk)
    _show_outcome("ours", disagreement.ours)


def _show_outcome(name: str, outcome: Outcome) -> None:
    if outcome.fault is not None:
        print(f"  {name} failed: {outcome.fault.kind} {outcome.fault.message}")
    print(f"  {name} response {json.dumps(outcome.response, ensure_ascii=False)}")
    for request in outcome.requests:
        print(f"  {name} sent {request}")
    for line in outcome.log:
        print(f"  {name} log | {line}")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
