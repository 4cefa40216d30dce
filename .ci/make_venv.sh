#!/usr/bin/env bash
# Make .venv with the interpreter in $PYTHON.
set -euo pipefail
python="${PYTHON:-python3}"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  found="$("$python" --version 2>/dev/null || true)"
  echo "expected Python 3.11 or newer as $python, found ${found:-none};" \
    "install it, or name another with: make PYTHON=/path/to/python" >&2
  exit 1
fi

# Debian cuts venv and ensurepip off its Python.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  bash "$(dirname "${BASH_SOURCE[0]}")/system_packages.sh" venv
fi

"$python" -m venv .venv
# 25.1 is the first that installs dependency groups.
.venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
