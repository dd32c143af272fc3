"""How voicebench, in an environment of its own, talks to our server: its WebSocket adapter, with our frames and messages."""
# mypy: ignore-errors
# voicebench lives in an environment of its own.

from __future__ import annotations

import asyncio
import json
import struct
import urllib.request

from voicebench import audio
from voicebench.adapters.base import AgentAudio, AgentClear, Transcript
from voicebench.adapters.websocket import WebSocketAdapter

_TO_SERVER, _FROM_SERVER = struct.Struct("<IId"), struct.Struct("<IIII")


class VoicemindAdapter(WebSocketAdapter):
    """The option `url` is the server's address over HTTP."""

    name = "voicemind"

    async def connect(self) -> None:
        """Begin a conversation, and be let in."""
        self.url = await asyncio.to_thread(self._invited, self.url) + "&binary=1"
        await super().connect()

    def encode_audio(self, pcm) -> bytes:
        """A frame of the microphone."""
        return _TO_SERVER.pack(1, 0, 0.0) + audio.to_pcm16(pcm)

    def handle_binary(self, message: bytes, now: float, src_rate: int) -> None:
        """A frame of the agent."""
        _, _, _, rate_hz = _FROM_SERVER.unpack_from(message)
        samples = audio.from_pcm16(message[_FROM_SERVER.size :])
        self.emit(AgentAudio(audio.resample(samples, rate_hz, self.session.sample_rate), now))

    def handle_text(self, message: str, now: float) -> None:
        """What it needs of our messages: when to be silent, and what was heard."""
        event = json.loads(message)
        content = event.get("data", {})
        if event.get("type") == "interrupted":
            self.emit(AgentClear(now))
        elif event.get("type") == "transcript" and content.get("final"):
            self.emit(Transcript("user", content["text"], now, final=True))

    @staticmethod
    def _invited(url: str) -> str:
        request = urllib.request.Request(
            f"{url}/api/voice-sessions", b'{"greet": false}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["wsUrl"]
