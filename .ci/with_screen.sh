#!/usr/bin/env bash
# Run a command on a virtual screen, drawn by software: the same on every machine.
set -euo pipefail
export QT_QPA_PLATFORM=xcb LIBGL_ALWAYS_SOFTWARE=1
# Otherwise Qt follows the desktop on which this was started.
unset WAYLAND_DISPLAY QT_SCALE_FACTOR QT_SCREEN_SCALE_FACTORS QT_STYLE_OVERRIDE
# xvfb-run does not quote the path of its own temporary file, so that may hold no space.
inner="${TMPDIR:-/tmp}"
TMPDIR=/tmp exec xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" \
  env TMPDIR="$inner" "$@"
