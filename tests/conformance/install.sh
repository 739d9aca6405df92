#!/usr/bin/env bash
# Installs the SDK into a virtual environment: install.sh DIR. An environment that is complete and of these versions is kept.
set -euo pipefail
if [ $# -ne 1 ]; then
    echo "usage: install.sh DIR" >&2
    exit 2
fi
directory=$1
wanted=$(dirname "$(readlink -f "$0")")/requirements.txt
# The marker is written last and holds the versions, so that neither a half-made nor an outdated environment is taken for complete.
marker=$directory/conformance-requirements.txt
if cmp -s "$wanted" "$marker" && [ -x "$directory/bin/python" ]; then
    exit 0
fi
if [ -e "$directory" ] && [ ! -e "$directory/pyvenv.cfg" ] && [ -n "$(ls -A "$directory")" ]; then
    echo "install.sh: $directory holds something else than a virtual environment; name another folder" >&2
    exit 2
fi
rm -rf -- "$directory"
python3 -m venv "$directory"
# --no-deps, because the SDK also asks for python-ldap (a compiler and headers) and for its own test tools.
"$directory/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
"$directory/bin/python" -c 'import safeguard.sessions.plugin, safeguard.sessions.plugin.requests_tls'
cp -- "$wanted" "$marker"
