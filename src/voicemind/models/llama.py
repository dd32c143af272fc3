"""Runs llama.cpp inside this process, without letting it take over the process's signals or open a port."""

from __future__ import annotations

import ctypes
import importlib
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

BATCH_TOKENS = 24
"""How much of a prompt is read between two chances to stop: below a second on two cores; 128 read 10 % faster."""

_SILENT = -1
_SIGACTION_BYTES = 512  # more than the struct of any system; it is saved and put back unread


class Llama:
    """One loaded model that answers one request at a time. Every method blocks: call them from a worker thread."""

    def __init__(self, path: Path, *, context_tokens: int, threads: int, cache_mib: int) -> None:
        """Load the weights; `cache_mib` bounds the memory for prompts that are kept read.

        Stops every thread of the process while it loads, the event loop too: the library's constructor keeps the interpreter's lock to its end
        (xllamacpp 2026.10, the loop stood still for 94 % of the time). Until then nobody is answered, not even /readyz; only a process of its own could help.

        Raises RuntimeError for a file that is no model, ImportError where the library is missing.
        """
        xllamacpp: Any = importlib.import_module("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = context_tokens
        params.n_parallel = 1  # a second slot made both answers crawl: it reads its prompt in the same batches
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.cache_ram_mib = cache_mib
        params.slot_prompt_similarity = 1.0  # always put the last prompt by, even where the next one begins like it
        params.verbosity = _SILENT
        _read_ahead(path)
        with _unreachable(params), _own_signals():
            self._server: Any = xllamacpp.Server(params)

    def chat(self, request: Mapping[str, Any], on_event: Callable[[dict[str, Any]], bool]) -> None:
        """Answer a request in the form of OpenAI's chat completions; `on_event` returns True to stop.

        Also called while the prompt is read, with `prompt_progress`. Raises ValueError for an unusable schema.
        """
        body = msgspec.json.encode({**request, "stream": True, "return_progress": True, "cache_prompt": True})

        def take(event: str) -> bool:
            return on_event(msgspec.json.decode(event))

        self._server.handle_chat_completions(body.decode(), take)

    def close(self) -> None:
        """Free the weights. No request may be running."""
        del self._server


def _read_ahead(path: Path) -> None:
    """Bring the file into the system's cache: loading holds the interpreter, which need not wait for a disk, too."""
    with path.open("rb", buffering=0) as file:
        block = bytearray(1 << 22)
        while file.readinto(block):
            pass


@contextmanager
def _unreachable(params: Any) -> Generator[None]:
    """The library insists on an HTTP server, which would show one person's prompts to every program here.

    It gets a socket in a private folder that is gone before anybody can connect, and a key that nobody knows.
    """
    folder = tempfile.mkdtemp(prefix="vm-")
    params.hostnames = [f"{folder}/s.sock"]
    params.api_keys = [secrets.token_urlsafe(32)]
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_signals() -> Generator[None]:
    """The library replaces the handlers of SIGINT and SIGTERM: the process could no longer be stopped."""
    libc = ctypes.CDLL(None)
    saved = {number: ctypes.create_string_buffer(_SIGACTION_BYTES) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, action in saved.items():
        libc.sigaction(int(number), None, action)
    try:
        yield
    finally:
        for number, action in saved.items():
            libc.sigaction(int(number), action, None)
