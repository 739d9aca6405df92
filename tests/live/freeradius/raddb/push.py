"""What a phone would say: a file that the test writes."""

import os
from pathlib import Path

import radiusd


def authenticate(pairs):
    """Ask again until the file says approve or deny."""
    user = dict(pairs)["User-Name"].strip('"')
    answer = Path(os.environ["RADIUS_PLACE"], f"push-{user}")
    verdict = answer.read_text().strip() if answer.exists() else ""
    if verdict == "approve":
        return radiusd.RLM_MODULE_OK
    if verdict == "deny":
        return (radiusd.RLM_MODULE_REJECT, (("Reply-Message", "Push denied"),), ())
    again = (("Response-Packet-Type", "Access-Challenge"),)
    return (radiusd.RLM_MODULE_HANDLED, (("Reply-Message", "Press Enter once confirmed"),), again)
