#!/usr/bin/env bash
# Install the Debian packages that are missing, or say in one line which they are.
#   system_packages.sh venv     what Python needs to make a virtual environment
#   system_packages.sh screen   a virtual screen, and what Qt needs to draw on it
#   system_packages.sh qgis     QGIS, to test its plugin in
set -euo pipefail

case "${1:-}" in
  venv) wanted=(python3-venv) ;;
  qgis) wanted=(qgis python3-qgis qgis-providers gdal-bin python3-venv) ;;
  screen)
    wanted=(
      xvfb xauth libegl1 libgl1 libopengl0 libdbus-1-3 libfontconfig1 libglib2.0-0
      libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
      libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
    )
    ;;
  *)
    echo "usage: $0 venv|screen|qgis" >&2
    exit 2
    ;;
esac

is_installed() {
  # Newer releases renamed some libraries: libglib2.0-0 is libglib2.0-0t64 there.
  local name
  for name in "$1" "$1t64"; do
    [[ "$(dpkg-query --show --showformat='${Status}' "$name" 2>/dev/null)" == *"ok installed" ]] &&
      return
  done
  return 1
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  if [[ "$1" == screen ]] && command -v xvfb-run >/dev/null; then
    exit 0 # another system: its Xvfb is there, trust it to have the libraries too
  fi
  echo "this is no Debian; install the equivalents of: ${wanted[*]}" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  is_installed "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0

become_root=()
if ((EUID != 0)); then
  if ! sudo -n true 2>/dev/null; then
    echo "packages are missing; run: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  become_root=(sudo -n)
fi

apt() {
  # The system's own tools keep to the system's own folders: a TMPDIR below the checkout may be
  # out of reach for the user that apt becomes.
  "${become_root[@]}" env --unset=TMPDIR DEBIAN_FRONTEND=noninteractive \
    apt-get --quiet --quiet -o DPkg::Lock::Timeout=300 "$@"
}
add() {
  apt install --yes --no-install-recommends "${missing[@]}"
}

echo "Installing system packages: ${missing[*]}"
# The lists of a fresh machine are empty or old; elsewhere there is no need to fetch them again.
add >/dev/null 2>&1 || { apt update && add >/dev/null; } || {
  echo "they could not be installed; run: apt-get update && apt-get install ${missing[*]}" >&2
  exit 1
}
