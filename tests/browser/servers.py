"""JupyterLab and Voila on 127.0.0.1, each in temporary folders: nothing of the user's Jupyter, nothing of the checkout."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jupytext
import nbformat
import psutil
from playwright.sync_api import Page

from smislib import notebooks

from . import pages

SETTINGS = {  # JupyterLab asks whether it may fetch news, over the page that we test
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
}


@dataclass
class Server:
    """A running server. `home` is the SMIS_HOME of its kernels, `root` the folder of its notebooks."""

    url: str
    token: str
    root: Path
    home: Path
    log: Path

    def get(self, path: str, method: str = "GET") -> object:
        """What its REST interface answers, as JSON where it is JSON."""
        request = urllib.request.Request(self.url + path, method=method, headers={"Authorization": f"token {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
            return json.loads(body) if body and "json" in answer.headers.get("Content-Type", "") else body

    def copy(self, source: Path, **parameters: object) -> str:
        """A copy of a notebook (.py or .ipynb) in `root`, without outputs and with these parameters; returns its name."""
        notebook = notebooks.without_injected(jupytext.read(source), parameters)
        for cell in notebook.cells:
            cell |= {"outputs": [], "execution_count": None} if cell.cell_type == "code" else {}
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}  # or Lab asks
        nbformat.write(notebook, self.root / f"{source.stem}.ipynb")
        return f"{source.stem}.ipynb"

    def close(self) -> None:
        """Shut down the kernels of what was open."""
        for kernel in self.get("api/kernels"):
            self.get(f"api/kernels/{kernel['id']}", "DELETE")


class Lab(Server):
    def open(self, page: Page, source: Path, *, dark: bool = False, **parameters: object) -> None:
        """Open a copy of a notebook alone (no file browser, no tabs), its kernel started and no cell run."""
        self.close()
        themes = self.root.parent / "settings" / "@jupyterlab/apputils-extension/themes.jupyterlab-settings"
        themes.write_text(json.dumps({"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}))
        page.goto(f"{self.url}doc/tree/{quote(self.copy(source, **parameters))}?token={self.token}&reset")
        pages.wait_for_kernel(page)


class Voila(Server):
    def open(self, page: Page, source: Path, *, dark: bool = False, **parameters: object) -> None:
        """Run a copy of a notebook as an app; raises AssertionError with the traceback of a cell that failed."""
        name, theme = quote(self.copy(source, **parameters)), "dark" if dark else "light"
        page.goto(f"{self.url}voila/render/{name}?token={self.token}&theme={theme}", timeout=120_000)
        pages.wait_for_widgets(page)
        pages.check_outputs(page)


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """JupyterLab whose files are in `folder`; its page has the application as `window.jupyterapp`."""
    for plugin, values in SETTINGS.items():
        path = folder / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    options = ["--allow-root", "--expose-app-in-browser", "--LabApp.news_url="]
    with _started("jupyterlab", "ServerApp", folder, "api/status", "IdentityProvider.token", options) as running:
        yield Lab(*running)


@contextmanager
def voila(folder: Path) -> Iterator[Voila]:
    """Voila whose files are in `folder`, with tracebacks."""
    options = ["--show_tracebacks=True", f"--Voila.connection_dir_root={folder}"]
    with _started("voila", "Voila", folder, "voila/tree", "Voila.token", options) as running:
        yield Voila(*running)


@contextmanager
def app(folder: Path) -> Iterator[str]:
    """`smis app` as `make app` starts it: its address, once it answers."""
    port, log = _free_port(), folder / "log.txt"
    names = {"home": "SMIS_HOME", "config": "JUPYTER_CONFIG_DIR", "data": "JUPYTER_DATA_DIR", "runtime": "JUPYTER_RUNTIME_DIR"}
    environment = os.environ | {variable: str(folder / name) for name, variable in names.items()}
    with log.open("w") as file:
        command = [sys.executable, "-m", "smislib", "app", "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
    try:
        end = time.monotonic() + 300
        while not (said := re.search(r"http://127\.0\.0\.1:\S+", log.read_text())) and process.poll() is None:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        assert said, log.read_text()
        yield said[0]
    finally:
        _stop(process)


@contextmanager
def _started(module: str, app: str, folder: Path, ready: str, token_option: str, options: list[str]) -> Iterator[tuple]:
    """Start `python -m module` and wait until the page `ready` answers; in the end nothing of it still runs."""
    places = {"root": None, "home": "SMIS_HOME", "config": "JUPYTER_CONFIG_DIR", "data": "JUPYTER_DATA_DIR"}
    places |= {"runtime": "JUPYTER_RUNTIME_DIR", "settings": "JUPYTERLAB_SETTINGS_DIR", "ipython": "IPYTHONDIR"}
    places |= {"workspaces": "JUPYTERLAB_WORKSPACES_DIR"}
    for name in places:
        (folder / name).mkdir(parents=True, exist_ok=True)
    port, token = _free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", module, str(folder / "root"), "--no-browser", f"--{token_option}={token}", *options]
    command += [f"--{app}.ip=127.0.0.1", f"--{app}.port={port}", f"--{app}.port_retries=0"]
    environment = os.environ | {variable: str(folder / name) for name, variable in places.items() if variable}
    log = folder / "log.txt"
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=file)
    running = (f"http://127.0.0.1:{port}/", token, folder / "root", folder / "home", log)
    try:
        _wait(process, Server(*running), ready)
        yield running
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(process: subprocess.Popen, server: Server, ready: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            server.get(ready)
            return
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{server.url}{ready} answers {error}; its log:\n{server.log.read_text()}") from error
        except OSError:
            time.sleep(0.1)
    state = "runs" if process.poll() is None else f"ended with status {process.returncode}"
    raise RuntimeError(f"no answer from {server.url} within {seconds} s; the server {state}; its log:\n{server.log.read_text()}")


def _stop(process: subprocess.Popen, seconds: float = 10) -> None:
    """SIGTERM, on which a server shuts down its kernels; then SIGKILL to what is left of it and of them."""
    if process.poll() is not None:
        return
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.terminate()
    for left in psutil.wait_procs(family, seconds)[1]:
        left.kill()
    process.wait()
