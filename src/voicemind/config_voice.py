"""Settings of real-time voice."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from voicemind.config_reading import alias


class VoiceSettings(BaseSettings):
    """How sessions live, and what listens and speaks in them."""

    stt: str = Field("moonshine", description="Provider of speech recognition.")
    tts: str = Field("piper", description="Provider of speech synthesis.")
    vad: str = Field("silero", description="Provider of voice activity.")
    prosody: str = Field(
        "none",
        description="Provider that hears from the melody whether somebody has finished: none, or smart-turn (a tenth of a second of one core each time).",
    )
    voice_fallback: str = Field(
        "",
        description="What listens and speaks where the above fail in a conversation, as stt/tts pairs separated by commas; after the last one it goes on in writing.",
    )
    scripted_stt_ms: int = Field(0, ge=0, le=60_000, description="Delay of the scripted recogniser, in milliseconds.")
    scripted_tts_ms: int = Field(
        0, ge=0, le=60_000, description="Delay of the scripted synthesiser's first sound, in milliseconds."
    )
    scripted_stt_text: str = Field("Hello there.", description="What the scripted recogniser hears in every utterance.")

    elevenlabs_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=alias("ELEVENLABS_API_KEY", "ELEVENLABS_API_KEY"),
        description="Key for ElevenLabs' speech; ELEVENLABS_API_KEY counts too.",
    )
    elevenlabs_base_url: str = Field(
        "https://api.elevenlabs.io",
        pattern="^https?://",
        description="Where ElevenLabs answers; there are addresses of its own for data that stays in a region.",
    )
    elevenlabs_enable_logging: bool = Field(
        default=True,
        validation_alias=alias("ELEVENLABS_ENABLE_LOGGING", "ELEVENLABS_ENABLE_LOGGING"),
        description="Whether ElevenLabs may keep what it is sent; false needs one of its Enterprise plans.",
    )
    elevenlabs_stt_model: str = Field(
        "scribe_v2_realtime", min_length=1, description="Which model `elevenlabs` recognises speech with."
    )
    elevenlabs_tts_model: str = Field(
        "eleven_flash_v2_5", min_length=1, description="Which model `elevenlabs` speaks with."
    )
    elevenlabs_voice_id: str = Field(
        "JBFqnCBsd6RMkjVDRZzb",
        min_length=1,
        description="Which voice `elevenlabs` speaks with where an agent names none, by its id.",
    )
    elevenlabs_rate_hz: int = Field(
        24000,
        ge=16000,
        le=24000,
        multiple_of=8000,
        description="Samples a second of ElevenLabs' voices: 16000 or 24000.",
    )
    openai_stt_model: str = Field(
        "gpt-4o-mini-transcribe", min_length=1, description="Which model `openai` recognises speech with."
    )
    openai_tts_model: str = Field("gpt-4o-mini-tts", min_length=1, description="Which model `openai` speaks with.")
    openai_tts_voice: str = Field(
        "alloy", min_length=1, description="Which voice `openai` speaks with where an agent names none."
    )

    max_concurrent_sessions: int = Field(
        50,
        ge=1,
        le=10_000,
        validation_alias=alias("MAX_CONCURRENT_SESSIONS", "MAX_CONCURRENT_SESSIONS"),
        description="Live conversations at once.",
    )
    session_timeout_minutes: float = Field(
        30,
        gt=0,
        le=1440,
        validation_alias=alias("SESSION_TIMEOUT_MINUTES", "SESSION_TIMEOUT_MINUTES"),
        description="Silence after which a live session ends.",
    )
    detached_s: float = Field(
        120, ge=0, le=3600, description="How long a conversation whose client is gone can be gone on with, in seconds."
    )
    max_session_minutes: float = Field(
        120, gt=0, le=1440, description="Length after which a live session ends, however lively it is."
    )
    queue_places: int = Field(
        20, ge=0, le=10_000, description="How many may wait for a place where all sessions are taken."
    )
    queue_wait_s: float = Field(
        30, ge=0, le=3600, description="How long they wait before they are refused, in seconds."
    )
    realtime_percent: float = Field(
        100,
        ge=0,
        le=100,
        description="Share of people who may talk in real time, for a gradual roll-out: the same ones at every time.",
    )
    drain_s: float = Field(
        30,
        ge=0,
        le=600,
        description="How long live sessions may finish what is being said once the server is to stop, in seconds.",
    )
    silence_prompt_s: float = Field(
        20, ge=0, le=3600, description="Silence after which the agent speaks up, once, in seconds; 0: never."
    )
    early_thinking: bool = Field(
        default=True,
        description="Whether the answer is thought of while it is not yet certain that the person has finished.",
    )
    resay_cut: bool = Field(
        default=False,
        description="Whether an agent that was interrupted is told what it had still wanted to say, so that it may say it again.",
    )
    recordings: str = Field(
        "off",
        pattern="^(off|on)$",
        description="Whether spoken conversations may be recorded: off, or on, where whoever opens one says record_consent.",
    )
    recordings_days: float = Field(
        30, ge=0, le=36_500, description="How long recordings are kept, in days; 0: until they are erased."
    )
    recording_mb: int = Field(
        500, ge=1, le=4000, description="Size at which a recording ends, in megabytes: 3.8 are a minute."
    )
