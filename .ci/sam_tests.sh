#!/usr/bin/env bash
# Run the tests that need torchvision: Segment Anything as its official package has it, EdgeTAM, how
# both packages prepare images, and models of open_clip. The packages lie in a folder of their own, for this run only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python
list=.ci/sam_packages.txt
folder=.cache/sam

if ! "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
  echo "SKIPPED: tests of segment-anything, EdgeTAM, their preparation of images, and open_clip:" \
    "no torchvision without CUDA for $("$python" --version); use Python 3.11" >&2
  exit 0
fi

if [[ ! "$folder/.made" -nt "$list" ]]; then
  echo "Installing segment-anything, open_clip, timm and torchvision into $folder …"
  rm -rf "$folder"
  # Without what they ask for: .venv has a torch, and everything else that they import.
  "$python" -m pip install --quiet --no-deps --target "$folder" --requirement "$list"
  touch "$folder/.made"
fi

export PYTHONPATH="$PWD/$folder${PYTHONPATH:+:$PYTHONPATH}"
quiet=(-W 'ignore:Failed to load image:UserWarning' -W 'ignore:The torchvision.datapoints:UserWarning')
# Else the tests below would skip themselves.
"$python" "${quiet[@]}" -c 'import open_clip, segment_anything, timm'
exec "$python" -m pytest "${quiet[@]}" tests/sam_models/test_checkpoint.py \
  tests/sam_models/test_edgetam.py tests/sam_models/test_processors.py \
  tests/networks/test_open_clip_model.py
