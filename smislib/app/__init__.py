"""The app: explorer, mixer and painter as one page, for people who open no notebook (`make app`). Voila serves it on 127.0.0.1.

Each browser tab has a kernel of its own, so no two disturb each other; one more is kept ready, with the page drawn, so that a
tab opens at once. A kernel ends with its tab, and at the latest some minutes after the last that was heard of it.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from pathlib import Path

from .. import paths
from ..errors import SmisError

SOURCE = Path(__file__).with_name("app.py")
LARGEST = 256 * 2**20  # bytes of a message: what is above closes the connection, what is above `upload.MAX_BYTES` gets a sentence
IDLE, LOOK = 300, 60  # seconds until a kernel without a page ends, and between looks
EDITOR = ["jupyterlab-jupytext", "@voila-dashboards/jupyterlab-preview"]  # extensions for JupyterLab that a page must not load
HOSTS = ["127.0.0.1", "localhost"]


def notebook(model: str) -> Path:
    """The page as a notebook in the cache, made of `app.py`; `model` is its parameter."""
    import jupytext

    made = jupytext.read(SOURCE)
    (parameters,) = (cell for cell in made.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source = f"model = {model!r}"
    folder = paths.cache() / "app"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.ipynb"  # two servers may have two models
    jupytext.write(made, path)
    return path


def settings(port: int, path: Path, token: str, dark: bool = False):
    """Voila's configuration as a traitlets Config. Without the `token` it shows nothing and starts no kernel: other users of
    the machine reach 127.0.0.1 too.
    """
    from traitlets.config import Config

    return Config(
        Voila={
            "ip": HOSTS[0], "token": token, "port": port, "port_retries": 0, "open_browser": False, "log_level": "WARN",
            "notebook_path": str(path), "root_dir": str(path.parent), "config_file_paths": [],
            # no page of another host may speak to it, by whatever name it reaches this machine
            "tornado_settings": {
                "websocket_max_message_size": LARGEST, "allow_remote_access": False, "local_hostnames": HOSTS,
            },
        },
        VoilaConfiguration={
            "strip_sources": True, "show_tracebacks": False, "preheat_kernel": True, "default_pool_size": 1,
            "file_allowlist": [], "file_denylist": [".*"], "theme": "dark" if dark else "light", "template": "smis",
            "extension_denylist": EDITOR,
        },
        MappingKernelManager={
            "cull_idle_timeout": IDLE, "cull_interval": LOOK, "cull_connected": False,
        },
    )  # fmt: skip


def serve(model: str = "shipped", port: int = 8866, dark: bool = False) -> None:
    """Serve the page until Ctrl-C. Raises SmisError for a model that cannot be loaded and for a port that is taken."""
    if not 1 <= port <= 65535:
        raise SmisError(f"a port is a number from 1 to 65535, found {port}: smis app --port 8866.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOSTS[0], port))
        except OSError as error:
            raise SmisError(f"port {port} of {HOSTS[0]} is taken ({error.strerror}): smis app --port {port + 1}") from error
    model = str(Path(model).resolve()) if Path(model).exists() else model  # kernels start in another folder
    print("smislib: drawing the first page ...", flush=True)
    from ..runs import load
    from ..studio import Studio

    Studio(load(model))  # a bad model is an error now
    # where Voila looks for `smis`, its template
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(SOURCE.with_name("jupyter")), os.environ.get("JUPYTER_PATH")]))
    from tornado.ioloop import IOLoop
    from voila.app import Voila

    path, token = notebook(model), secrets.token_hex(16)
    server = Voila(config=settings(port, path, token, dark))
    os.environ["SERVER_SOFTWARE"] = (
        "voila"  # a kernel that is kept ready starts before any request, and must know that it is live
    )
    try:
        server.initialize([])
        IOLoop.current().add_callback(_announce, server, f"smislib: http://{HOSTS[0]}:{port}/?token={token}  (Ctrl-C ends it)")
        server.start()
    finally:
        path.unlink(missing_ok=True)


async def _announce(server, text: str) -> None:
    """Say where the page is as soon as the kernel that is kept ready has drawn it: whoever follows the link need not wait."""
    for pool in server.kernel_manager._pools.values():
        with contextlib.suppress(Exception):  # Voila reports it, and the page will again
            await asyncio.gather(*(kernel["task"] for kernel in await asyncio.gather(*pool)))
    print(text, flush=True)
