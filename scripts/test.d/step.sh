# Sourced by each step: the place, the environment, and the way to say that a step is skipped.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
# One folder for all builds, so that nothing is built twice.
export CARGO_TARGET_DIR="$PWD/target"
export PYTHONPYCACHEPREFIX="$PWD/target/pycache" RUFF_CACHE_DIR="$PWD/target/ruff"
# A developer's own settings must not decide a test.
unset SPS_PLUGIN_CONFIG SCB_PLUGIN_STATE_DIRECTORY EPHEMERAL_PLUGIN_STATE_DIRECTORY
tools="$PWD/target/tools"

# Ends the step as skipped: skip REASON.
skip() {
    echo "skipped: $1"
    exit 77
}
