"""The same hook through the package: main.py in this process, and the binary in one of its own."""

import json
import sys


def main() -> None:
    """Run the hook as SPS does: build the plugin, call the method, write what it returns."""
    sys.path.insert(0, sys.argv[1])
    package = __import__("main")
    invocation = json.load(sys.stdin)
    lists = invocation["appliance"].get("user_lists")
    if lists:
        import safeguard.sessions.plugin
        from safeguard.sessions.plugin_impl.user_list import user_lists

        assert safeguard.sessions.plugin, "which has to come first"
        user_lists.update(lists)
    plugin = package.Plugin(invocation["configuration"])
    response = getattr(plugin, invocation["hook"])(**invocation["arguments"])
    json.dump(response, sys.stdout)


main()
