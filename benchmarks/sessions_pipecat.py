"""The app that Pipecat's own Python runs for the sessions' benchmark: its WebSocket transport, its Silero, and models scripted as ours are."""
# mypy: ignore-errors
# Pipecat lives in an environment of its own.

from __future__ import annotations

import asyncio
import math
import struct
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

PORT, STT_S, LLM_S, TTS_S = int(sys.argv[1]), *(int(ms) / 1000 for ms in sys.argv[2:5])
HEARD = sys.argv[5]
IN_HZ, OUT_HZ = 16_000, 24_000
STOP_S, PATIENCE_S = 0.2, 0.25
"""Together about the silence after which ours believes the end of such a sentence."""
MS_PER_LETTER, PIECE_MS = 60, 200


class Bare(FrameSerializer):
    """Samples alone."""

    async def serialize(self, frame):
        return frame.audio if isinstance(frame, OutputAudioRawFrame) else None

    async def deserialize(self, message):
        return InputAudioRawFrame(audio=message, sample_rate=IN_HZ, num_channels=1)


class ScriptedStt(SegmentedSTTService):
    """Hears the same in every utterance."""

    async def run_stt(self, audio):
        await asyncio.sleep(STT_S)
        yield TranscriptionFrame(HEARD, "", time_now_iso8601(), finalized=True)


class ScriptedLlm(FrameProcessor):
    """Answers as ours does."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        self.create_task(self._answer())

    async def _answer(self):
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(LLM_S)
        for word in f"I hear you: {HEARD}".split():
            await self.push_frame(LLMTextFrame(word + " "))
        await self.push_frame(LLMFullResponseEndFrame())


class ScriptedTts(TTSService):
    """Hums for as long as ours does."""

    async def run_tts(self, text, context_id):
        await asyncio.sleep(TTS_S)
        left = OUT_HZ * MS_PER_LETTER * len(text) // 1000
        while left > 0:
            size = min(left, OUT_HZ * PIECE_MS // 1000)
            yield TTSAudioRawFrame(audio=HUM[: size * 2], sample_rate=OUT_HZ, num_channels=1, context_id=context_id)
            left -= size


def _hum() -> bytes:
    count = OUT_HZ * PIECE_MS // 1000
    return struct.pack(f"<{count}h", *(int(6_000 * math.sin(2 * math.pi * 220 * n / OUT_HZ)) for n in range(count)))


HUM = _hum()
app = FastAPI()


@app.get("/readyz")
async def ready() -> str:
    """It answers."""
    return "ok"


@app.websocket("/talk")
async def talk(socket: WebSocket) -> None:
    """One conversation."""
    await socket.accept()
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=Bare())
    transport = FastAPIWebsocketTransport(websocket=socket, params=params)
    vad = SileroVADAnalyzer(params=VADParams(stop_secs=STOP_S))
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=PATIENCE_S)]
    )
    pair = LLMContextAggregatorPair(
        LLMContext([]), user_params=LLMUserAggregatorParams(vad_analyzer=vad, user_turn_strategies=turns)
    )
    stages = [transport.input(), ScriptedStt(), pair.user(), ScriptedLlm()]
    stages += [
        ScriptedTts(push_start_frame=True, push_stop_frames=True),
        transport.output(),
        pair.assistant(),
    ]
    rates = PipelineParams(audio_in_sample_rate=IN_HZ, audio_out_sample_rate=OUT_HZ)
    worker = PipelineWorker(Pipeline(stages), params=rates)

    @transport.event_handler("on_client_disconnected")
    async def gone(_transport, _client) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    uvicorn.run(app, port=PORT, log_level="critical", ws="websockets-sansio", ws_per_message_deflate=False)
