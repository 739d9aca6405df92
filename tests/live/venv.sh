# Sourced by the run scripts: where what is installed lies, and how a Python package gets there.
# shellcheck shell=bash
set -euo pipefail
live=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$live/../.." && pwd)
cache=${SPS_LIVE_CACHE:-$root/target/live}
mkdir -p "$cache"

# Ends the run as skipped: skip REASON.
skip() {
    echo "skipped: $1"
    exit 77
}

# Installs packages into a virtual environment, once for each set of them: venv NAME PACKAGE==VERSION...
# Its python is then $python. Two runs that begin at once wait for each other.
venv() {
    local name=$1 place
    shift
    place=$cache/$name
    python=$place/bin/python
    exec 9>"$cache/$name.lock"
    flock 9
    if [ "$(cat "$place/installed" 2>/dev/null)" != "$*" ]; then
        rm -rf "$place"
        python3 -m venv "$place" || skip "python3 -m venv does not work here"
        "$place/bin/pip" install --quiet --disable-pip-version-check "$@" ||
            skip "$* cannot be installed from the package index"
        echo "$*" >"$place/installed"
    fi
    exec 9>&-
}

# Finds the plugin, or builds it.
find_plugin() {
    if [ -z "${SPS_PLUGIN:-}" ]; then
        (cd "$root" && cargo build --locked --quiet --bin sps-plugin)
        SPS_PLUGIN=${CARGO_TARGET_DIR:-$root/target}/debug/sps-plugin
    fi
    export SPS_PLUGIN
}
