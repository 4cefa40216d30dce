#!/usr/bin/env bash
# Run the tests of the QGIS plugin inside QGIS, where it is installed: qgis_process, its Python, and
# its desktop on a virtual screen. What needs no QGIS is among the other tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
system=/usr/bin/python3
folder=.cache/qgis

if ! "$system" -c 'import qgis.core' 2>/dev/null || ! command -v qgis_process.bin >/dev/null; then
  echo "SKIPPED: tests of the plugin inside QGIS: it is not installed; make test-qgis installs it" >&2
  exit 0
fi

if [[ ! "$folder/.made" -nt "$0" ]]; then
  echo "Installing pytest-qgis and bandit into $folder …"
  rm -rf "$folder"
  "$system" -m venv --system-site-packages "$folder"
  "$folder/bin/python" -m pip --quiet --quiet install 'pytest>=8.2' 'pytest-qgis>=2.1' 'bandit>=1.8'
  touch "$folder/.made"
fi

"$folder/bin/python" -m bandit --quiet --recursive --severity-level medium qgis_plugin/firstpass

# QGIS keeps its settings here, and writes no compiled files into the sources.
export HOME="$PWD/.cache/qgis-home" PYTHONDONTWRITEBYTECODE=1 QT_QPA_PLATFORM=offscreen
export FIRSTPASS_TEST_PYTHON="${FIRSTPASS_TEST_PYTHON:-$PWD/.venv/bin/python}"
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$PWD/.cache/xdg-runtime}"
mkdir -p "$HOME" && mkdir -p -m 700 "$XDG_RUNTIME_DIR"
exec "$folder/bin/python" -m pytest --config-file qgis_plugin/tests/qgis.ini "$@" \
  qgis_plugin/tests/qgis
