"""Settings, all of them. Each field has a sentence, a default and, where it is a number, a unit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from voicemind.config_reading import PREFIX, alias, explained, refuse_unknown, toml_file
from voicemind.config_voice import VoiceSettings
from voicemind.errors import Misconfigured

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(VoiceSettings):
    """Everything that can be chosen. Environment variables (`VOICEMIND_<NAME>`) win over the TOML file; an empty environment is a working server."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on. Anything but loopback needs API keys.")
    port: int = Field(
        8700,
        ge=0,
        le=65535,
        validation_alias=alias("PORT", "PORT"),
        description="Port to listen on; 0 takes a free one.",
    )
    data_dir: Path = Field(
        Path(platformdirs.user_data_dir("voicemind")),
        description="Folder of the database; one process at a time may use it.",
    )
    cache_dir: Path = Field(
        Path(platformdirs.user_cache_dir("voicemind")), description="Folder of the downloaded models."
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy address of the database (sqlite:///… or postgresql://…); empty: voicemind.db in the data folder.",
    )
    agents_dir: Path | None = Field(
        None, description="Folder of further agent files (*.toml); one with a preset's name replaces the preset."
    )

    llm: str = Field("local", description="Provider of the language model, or provider:model.")
    fast_llm: str = Field(
        "", description="What answers most turns, as provider or provider:model; empty: VOICEMIND_LLM."
    )
    strong_llm: str = Field("", description="What answers turns that ask for more, likewise; empty: the fast one.")
    fallback_llms: str = Field(
        "", description="What is asked, in turn, where a model cannot answer in time; likewise, separated by commas."
    )
    llm_model: str = Field("qwen2.5-coder-1.5b", description="Which embedded language model `local` loads.")
    anthropic_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=alias("ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        description="Key for Claude; ANTHROPIC_API_KEY counts too.",
    )
    anthropic_model: str = Field("claude-haiku-5-5", min_length=1, description="Which model `anthropic` asks.")
    anthropic_base_url: str = Field(
        "https://api.anthropic.com", pattern="^https?://", description="Where the Messages API answers."
    )
    openai_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=alias("OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="Key for OpenAI or the compatible server; OPENAI_API_KEY counts too.",
    )
    openai_model: str = Field("gpt-5.4-mini", min_length=1, description="Which model `openai` asks.")
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        pattern="^https?://",
        description="Where OpenAI, or any server with the same Chat Completions interface, answers.",
    )
    hosted_context_tokens: int = Field(
        128_000, ge=2048, le=2_000_000, description="Context of the hosted model (anthropic, openai), in tokens."
    )
    first_byte_s: float = Field(
        4, gt=0, le=600, description="How long a hosted model may take to begin its answer, in seconds."
    )
    idle_first_byte_s: float = Field(
        120, gt=0, le=3600, description="The same where nobody waits, as in reflection, in seconds."
    )
    reflection: str = Field(
        "auto",
        pattern="^(auto|extractive|structured|scripted)$",
        description="How conversations become memory: extractive, structured, scripted, or auto: structured with anthropic and openai, else extractive.",
    )
    platform_prompt: str = Field(
        "merge",
        pattern="^(merge|ignore)$",
        description="What becomes of the system prompt that a voice platform or client sends: merge adds it behind the mind, ignore leaves it out.",
    )
    embedding: str = Field("minilm", description="Provider of embeddings, by which memories are recalled.")
    threads: int = Field(
        0, ge=0, le=256, description="Threads for the embedded language model; 0: as many as there are cores."
    )
    context_tokens: int = Field(
        4096,
        ge=512,
        le=131072,
        description="Context of the embedded language model, in tokens, for each conversation that thinks at once.",
    )
    warm_minds: int = Field(8, ge=1, le=64, description="How many minds the embedded model keeps read into its memory.")

    scripted_llm_ms: int = Field(
        0, ge=0, le=60_000, description="Delay of the scripted language model's first token, in milliseconds."
    )
    api_keys: SecretStr = Field(
        SecretStr(""), description="Who may call: tenant:key,tenant2:key2. Empty: keyless, loopback only."
    )
    api_keys_file: Path | None = Field(
        None,
        description="File of further keys, a line name:key for each, read again when it changes; whose line is gone is shown out. Mode 600.",
    )
    elevenlabs_webhook_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=alias("ELEVENLABS_WEBHOOK_SECRET", "ELEVENLABS_WEBHOOK_SECRET"),
        description="Secret of ElevenLabs' post-call webhook, or tenant:secret,tenant2:secret2; ELEVENLABS_WEBHOOK_SECRET counts too. Empty: no webhook is taken.",
    )
    api_key: SecretStr = Field(SecretStr(""), description="The key that the command line sends to a server.")
    server: str = Field(
        "", description="Address of the server that the command line talks to; empty: http://HOST:PORT."
    )
    allowed_origins: str = Field("", description="Web origins that may call besides our own page, separated by commas.")

    filler_ms: int = Field(
        900,
        ge=0,
        le=60_000,
        description="How late an answer to a voice platform may begin before a few words are said, in milliseconds; 0: never any.",
    )
    apologies: bool = Field(
        default=True, description="Whether a voice platform is given an apology to speak where an answer fails."
    )
    keep_unnamed: bool = Field(
        default=True,
        description="Whether chat completions that name no conversation are kept, told apart by how they began.",
    )

    max_concurrent_requests: int = Field(
        256, ge=1, le=99_999, description="Requests answered at once, streams included."
    )
    rate_per_minute: int = Field(0, ge=0, le=9_999_999, description="Requests a minute for each tenant; 0: no limit.")
    slow_request_s: float = Field(8, gt=0, le=600, description="How long a request may take to arrive, in seconds.")
    keep_alive_s: float = Field(30, gt=0, le=3600, description="How long a connection may be idle, in seconds.")
    stale_minutes: float = Field(
        60, gt=0, le=10_080, description="Silence after which an open conversation is ended and reflected."
    )
    reflection_wait_s: float = Field(
        5,
        ge=0,
        le=60,
        description="How long a new conversation waits for a reflection that is still running, in seconds.",
    )
    end_wait_s: float = Field(
        120, gt=0, le=600, description="How long the end of a conversation waits for its reflection, in seconds."
    )
    sweep_every_s: float = Field(
        15, gt=0, le=3600, description="How often open conversations are looked through, in seconds."
    )
    reflection_lease_s: float = Field(
        30, gt=0, le=3600, description="After how long a reflection of a dead process is taken over, in seconds."
    )
    reflection_limit_s: float = Field(
        600, gt=0, le=86_400, description="How long one attempt at a reflection may take, in seconds."
    )
    reflection_attempts: int = Field(
        5, ge=1, le=20, description="How often a reflection is tried before it is given up, visibly."
    )
    reflection_retry_s: float = Field(
        5,
        gt=0,
        le=3600,
        description="How long a reflection waits after its first failure, in seconds; four times as long after each further one.",
    )
    reflection_workers: int = Field(1, ge=1, le=64, description="Reflections done side by side by one process.")
    metrics: str = Field(
        "key",
        pattern="^(key|open|off)$",
        description="Who may read /metrics: whoever has a key (without keys, this machine), everybody who reaches the server (open), or nobody (off).",
    )
    metrics_key: SecretStr = Field(
        SecretStr(""),
        description="The one key for /metrics, which opens nothing else; empty: any API key where all are one tenant's, else none.",
    )
    otel_endpoint: str = Field(
        "",
        pattern="^(https?://.*)?$",
        validation_alias=alias("OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Collector that is sent a span for each turn (OTLP over HTTP); OTEL_EXPORTER_OTLP_ENDPOINT counts too. Empty: none is sent.",
    )
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error.")
    log_json: bool = Field(default=False, description="One JSON object a line instead of readable text.")

    @field_validator("data_dir", "cache_dir", "agents_dir", "api_keys_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code wins over the environment, and that over the TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=toml_file())

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read file and environment. Raises Misconfigured, which names the setting and what it accepts."""
        refuse_unknown(os.environ, Settings.model_fields)
        try:
            settings = cls(**given)
            return settings.thinking_with(settings.llm) if ":" in settings.llm else settings
        except ValidationError as error:
            raise explained(error, Settings.model_fields) from None
        except ValueError as error:  # the TOML file does not parse
            raise Misconfigured(
                "VOICEMIND_CONFIG", f"the settings file cannot be read: {error}", accepted="a TOML file"
            ) from None

    @property
    def database(self) -> str:
        """The database's address, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'voicemind.db'}"

    def thinking_with(self, name: str) -> Self:
        """These settings with the model of that name (`provider` or `provider:model`) as the one language model."""
        provider, _, model = name.partition(":")
        field = "llm_model" if provider == "local" else f"{provider}_model"
        named = {field: model} if model and field in type(self).model_fields else {}
        return self.model_copy(update={"llm": provider, **named})

    @property
    def reflector(self) -> str:
        """The strategy of reflection, `auto` resolved: a strong model is asked, a small one only helps to choose."""
        if self.reflection != "auto":
            return self.reflection
        return "structured" if self.llm in {"anthropic", "openai"} else "extractive"

    def missing_key(self, provider: str) -> str:
        """Why the key of a hosted model is missing; empty where there is one, or where another server may want none."""
        url = f"{provider}_base_url"
        is_own = getattr(self, url).rstrip("/") == type(self).model_fields[url].default
        key: SecretStr = getattr(self, f"{provider}_api_key")
        return f"there is no key for {provider}" if is_own and not key.get_secret_value() else ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK

    @property
    def origins(self) -> tuple[str, ...]:
        """The allow-list of web origins."""
        return tuple(filter(None, (origin.strip().rstrip("/") for origin in self.allowed_origins.split(","))))

    @property
    def server_url(self) -> str:
        """Where the command line looks for a running server."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - compared, not bound
        return self.server.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
