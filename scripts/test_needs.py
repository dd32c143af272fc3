"""Brings what the tests need from outside PyPI: Chromium for the page, espeak-ng for recordings of speech."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys

NEEDS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "espeak-ng": ("espeak-ng",),
}


def missing() -> list[str]:
    """The Debian packages none of whose programs is there."""
    return [package for package, programs in NEEDS.items() if not any(shutil.which(program) for program in programs)]


def can_install() -> bool:
    """Only as root on Debian: elsewhere the packages have other names, or are no ordinary packages."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return os.geteuid() == 0 and release.get("ID") == "debian" and shutil.which("apt-get") is not None


def main() -> None:
    """Install what is missing where that is possible; say what stays missing, which the tests then count."""
    packages = missing()
    if packages and can_install():
        print(f"Installing {' and '.join(packages)} with apt-get (once)", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            if done.returncode:
                print(done.stdout[-2000:], file=sys.stderr)
                break
        packages = missing()
    for package in packages:
        print(
            f"Missing: {package} (Debian: apt-get install {package}). The tests that need it are left out.",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
