#!/usr/bin/env bash
# Run the tests that read exports with software that is large and not ours: TorchGeo and Hugging
# Face's datasets. The packages lie in a folder of their own, for this run only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${FIRSTPASS_PYTHON:-.venv/bin/python}
list=.ci/reader_packages.txt
folder=.cache/readers

if ! "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
  echo "SKIPPED: tests that read exports with TorchGeo and datasets:" \
    "no torchvision without CUDA for $("$python" --version); use Python 3.11" >&2
  exit 0
fi

if [[ ! "$folder/.made" -nt "$list" ]]; then
  echo "Installing TorchGeo and datasets into $folder …"
  rm -rf "$folder"
  # Without what they ask for: .venv has a torch, and everything else that they import.
  "$python" -m pip install --quiet --no-deps --target "$folder" --requirement "$list"
  touch "$folder/.made"
fi

# No hub is asked for anything, and caches stay in this folder.
export HF_HUB_OFFLINE=1 HF_HOME="$PWD/.cache/huggingface"
export PYTHONPATH="$PWD/$folder${PYTHONPATH:+:$PYTHONPATH}"
# Else the tests below would skip themselves.
"$python" -W ignore -c 'import datasets, torchgeo.datasets'
exec "$python" -m pytest tests/readers
