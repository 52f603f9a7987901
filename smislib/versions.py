"""What numbers depend on beside the experiment: the versions of packages, of Python and of this library's code."""

import hashlib
import platform
import subprocess
from importlib.metadata import version

from . import paths

UNCOMMITTED = "-dirty"  # as git says it


def versions() -> dict[str, str]:
    """Name -> version, of the packages that compute, of Python and of the code."""
    packages = {name: version(name) for name in ("torch", "numpy", "scikit-image")}
    return packages | {"python": platform.python_version(), "code": code()}


def code() -> str:
    """The commit of the checkout; where smislib has changes "COMMIT+SOURCES-dirty", and outside a checkout "VERSION+SOURCES",
    with eight hex digits over its sources: two states of edited code are two versions.
    """

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=paths.PACKAGE, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changes = git("status", "--porcelain", "--", ".")  # of smislib: figures and notebooks change by being made
        commit = git("describe", "--always")
        return f"{commit}+{_sources()}{UNCOMMITTED}" if changes else commit
    except (OSError, subprocess.CalledProcessError):
        return f"{version('smislib')}+{_sources()}"


def _sources() -> str:
    found = hashlib.sha256()
    for path in sorted(paths.PACKAGE.rglob("*.py")):
        found.update(f"{path.relative_to(paths.PACKAGE)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:8]
