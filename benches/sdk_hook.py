"""The same hook as a Python process on the SDK: one invocation in, one response out."""

import json
import sys

from safeguard.sessions.plugin import AAPlugin
from safeguard.sessions.plugin_impl.user_list import user_lists


def main() -> None:
    """Run the hook as SPS does: build the plugin, call the method, write what it returns."""
    invocation = json.load(sys.stdin)
    user_lists.update(invocation["appliance"].get("user_lists", {}))
    # AAPlugin itself asks nobody for a factor, which is the provider `none`.
    plugin = AAPlugin(invocation["configuration"])
    response = getattr(plugin, invocation["hook"])(**invocation["arguments"])
    json.dump(response, sys.stdout)


main()
