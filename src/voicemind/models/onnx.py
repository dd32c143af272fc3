"""Opens ONNX models with a bounded number of threads, and names the errors that running them can raise."""

from __future__ import annotations

import importlib
import platform
from pathlib import Path
from typing import Any


def open_session(model: Path | bytes, *, threads: int) -> Any:
    """An `onnxruntime.InferenceSession` on the processor, of a file or its content. Raises ImportError without onnxruntime, else `failures()`."""
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal: everything else is raised, too
    if _adds_in_16_bits():
        options.add_session_config_entry("session.x64quantprecision", "1")
    given = model if isinstance(model, bytes) else str(model)
    return runtime.InferenceSession(given, sess_options=options, providers=["CPUExecutionProvider"])


def _adds_in_16_bits() -> bool:
    """Whether products of 8 bits can overflow: on x86 processors without VNNI. The exact way takes half as long again, so only there."""
    if platform.machine().casefold() not in {"x86_64", "amd64"}:
        return False
    try:
        return "vnni" not in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True


def failures() -> tuple[type[BaseException], ...]:
    """What a session raises: these classes have no common root of their own."""
    state: Any = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "RuntimeException")
    return tuple(getattr(state, name) for name in names)
