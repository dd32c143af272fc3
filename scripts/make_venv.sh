#!/bin/sh
# Makes .venv with the first Python that is new enough, and puts this version of uv into it.
# Usage: make_venv.sh UV_VERSION; $PYTHON names an interpreter to use instead.
set -eu
uv_version=$1

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=
for candidate in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
  if new_enough "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "Voicemind needs Python 3.11 or newer; found: $( (${PYTHON:-python3} --version 2>&1 || echo none) | head -n 1)." >&2
  echo "Install it (Debian: apt-get install python3.11 python3.11-venv), or name it: make run PYTHON=/path/to/python3.11" >&2
  exit 2
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  echo "This Python cannot make virtual environments. On Debian: apt-get install python$version-venv" >&2
  exit 2
fi
echo "Making .venv with $("$python" --version)"
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$uv_version"
