"""`voicemind talk`: plays a recording to an agent and keeps the spoken answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import anyio
from rich.status import Status

from voicemind.channels.browser import events
from voicemind.cli.answers import PASSING, SERVICE, ReplySound, ServerEvent
from voicemind.cli.caller import Talk
from voicemind.cli.chat import UNANSWERED, hang_up, tell_connection
from voicemind.cli.connection import connected, finish
from voicemind.cli.line import Back, Happening, Lost
from voicemind.cli.screen import err, note, said
from voicemind.config import Settings
from voicemind.errors import BadRequest, ProviderUnavailable, VoicemindError
from voicemind.speech.audio import INPUT_RATE_HZ, Pcm, read_wav, resampled, write_wav

FRAME_MS = 20
FRAME_BYTES = INPUT_RATE_HZ * FRAME_MS // 1000 * 2
FAST = 2.5
"""How much faster than real time `--fast` plays: recognition on a small machine still keeps up."""
TAIL_MS = 1000
SILENCE_LIMIT_MS = 6_000
"""Silence after the recording in which its words must have been recognised."""
WAKING_LIMIT_S = 600.0
"""Until the agent listens: an embedded model on a small machine that is busy reads the mind for minutes."""
ANSWER_LIMIT_S = 180.0
MAX_FILE_BYTES = 200 * 1024 * 1024


class NothingHeard(VoicemindError):
    """The recording holds no speech that was recognised."""

    code = "nothing_heard"


async def talk_with(settings: Settings, recording: Path, *, agent: str, user: str, out: Path, fast: bool) -> None:
    """Play the recording, write the answer to `out`, end the conversation. Raises VoicemindError."""
    pcm = recorded(recording)
    refuse_unwritable(out)
    async with connected(settings) as server:
        opened = await server.open_conversation(agent, user=user, channel="voice", greet=False)
        async with server.talk(opened) as talk, aclosing(talk.events()) as told:
            with err.status("connecting…") as status:
                hearing = Hearing(status)
                await exchange(talk, told, hearing, pcm=pcm, speed=FAST if fast else 1.0)
            await hang_up(talk)
        if not hearing.understood.is_set():
            await server.end(opened.conversation_id)
            raise NothingHeard(
                f"No speech was heard in {recording}: is it loud enough, and in a language that is understood here?"
            )
        await anyio.Path(out).write_bytes(write_wav(hearing.sound()))
        note(f"{hearing.sound().duration_ms / 1000:.1f} s of speech in {out}")
        await finish(server, opened.conversation_id)


def recorded(path: Path) -> Pcm:
    """The recording as a recogniser wants it. Raises BadRequest for what cannot be read, BadAudio for what is no WAV file."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadRequest(f"{path} is larger than {MAX_FILE_BYTES // 1024**2} MB.")
        content = path.read_bytes()
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return resampled(read_wav(content), INPUT_RATE_HZ)
    except VoicemindError as error:
        raise type(error)(f"{path}: {error} Make one with: ffmpeg -i {path} -ac 1 -ar 16000 speech.wav") from error


def refuse_unwritable(path: Path) -> None:
    """Raises BadRequest before anybody talks, where the answer could not be kept."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise BadRequest(f"{path} cannot be written: there is no such folder, or it is a folder itself.")


def frames_of(pcm: Pcm) -> list[bytes]:
    """The sound and the silence after it in frames of 20 ms.

    >>> [len(frame) for frame in frames_of(Pcm(b"12" * 400, 16_000))][:3]
    [640, 640, 640]
    """
    samples = pcm.samples + bytes(INPUT_RATE_HZ * TAIL_MS // 1000 * 2)
    samples += bytes(-len(samples) % FRAME_BYTES)
    return [samples[at : at + FRAME_BYTES] for at in range(0, len(samples), FRAME_BYTES)]


async def exchange(talk: Talk, told: AsyncGenerator[Happening], hearing: Hearing, *, pcm: Pcm, speed: float) -> None:
    """Play the recording once the agent listens, and hear the answer. Raises ProviderUnavailable, in a group, where none came in time."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hearing.listen, told)
        try:
            with anyio.fail_after(WAKING_LIMIT_S):
                await hearing.ready.wait()
            with anyio.fail_after(ANSWER_LIMIT_S + pcm.duration_ms / 1000):
                if await _play(talk, hearing, pcm=pcm, speed=speed):
                    await hearing.answered.wait()
        except TimeoutError:
            raise ProviderUnavailable("No answer came in time: is the server very busy?", provider=SERVICE) from None
        tasks.cancel_scope.cancel()


async def _play(talk: Talk, hearing: Hearing, *, pcm: Pcm, speed: float) -> bool:
    """Send each frame when it is due: lateness of one is made up by the next. Then silence; returns whether words came.

    While there is no connection the recording stands still.
    """
    due = anyio.current_time()
    for frame in frames_of(pcm):
        await anyio.sleep_until(due)
        if not talk.is_live:
            await talk.until_live()
            due = anyio.current_time()
        await talk.hear(frame)
        due += FRAME_MS / 1000 / speed
    hearing.all_sent()
    started = anyio.current_time()
    for number in range(SILENCE_LIMIT_MS // FRAME_MS):
        if hearing.understood.is_set():
            return True
        await anyio.sleep_until(started + number * FRAME_MS / 1000)
        await talk.hear(bytes(FRAME_BYTES))
    return hearing.understood.is_set()


class _Reply:
    """The sound of one reply. Where it goes on after it was held, some of it may come a second time: that takes the place of the first."""

    def __init__(self, generation: int = 0) -> None:
        self.generation = generation
        self.samples = bytearray()
        self._end = 0

    def add(self, sound: ReplySound) -> None:
        if sound.position < self._end:
            del self.samples[max(0, len(self.samples) - (self._end - sound.position) * 2) :]
        self.samples += sound.pcm.samples
        self._end = sound.position + len(sound.pcm.samples) // 2


class Hearing:
    """What comes back while a recording plays: the words, the answer and its sound."""

    def __init__(self, status: Status) -> None:
        self.ready = anyio.Event()
        """Set when the agent listens."""
        self.understood = anyio.Event()
        """Set when words were recognised and the recording is over."""
        self.answered = anyio.Event()
        """Set when the answer to the last words is complete, sound included."""
        self._status = status
        self._name = ""
        self._sent = False
        self._words = 0
        self._answers = 0
        self._rate_hz = INPUT_RATE_HZ
        self._sound = b""
        self._reply = _Reply()

    def all_sent(self) -> None:
        """The recording is over."""
        self._sent = True
        self._settle(listening=False)

    def sound(self) -> Pcm:
        """Everything that the agent said."""
        return Pcm(self._sound + bytes(self._reply.samples), self._rate_hz)

    async def listen(self, told: AsyncGenerator[Happening]) -> None:
        """Follow the conversation. Raises ProviderUnavailable where it breaks off."""
        async for event in told:
            if isinstance(event, Lost | Back):
                self.notice_connection(event)
            else:
                self.notice(event)
        raise ProviderUnavailable("The server ended the conversation before its answer was complete.", provider=SERVICE)

    def notice(self, event: ServerEvent) -> None:
        """One thing that happened. Raises ProviderUnavailable for trouble at the server after which no answer comes."""
        match event:
            case events.Ready(agent_name=name, output_rate=rate_hz):
                self._name, self._rate_hz = name, rate_hz
            case events.State(state=state):
                self._status.update(f"{state}…")
                if state == "listening":
                    self.ready.set()
                    self._settle(listening=True)
            case events.Transcript(text=text, final=False):
                self._status.update(f"listening… {text}", spinner_style="dim")
            case events.Transcript(text=text):
                said(f"you › {text}")
                self._words += 1
                self._settle(listening=False)
            case ReplySound():
                self._rate_hz = event.pcm.rate_hz
                self._keep(event)
            case events.AgentResponse(final=True, text=text):
                said(f"{self._name} › {text}")
                self._answers = self._words
            case events.Error(message=message, code=code):
                if code not in PASSING:
                    raise ProviderUnavailable(message, provider=SERVICE)
                note(message, style="red")
            case _:
                pass

    def notice_connection(self, event: Lost | Back) -> None:
        """What became of the connection. Raises ProviderUnavailable where what was said will not be answered any more."""
        tell_connection(event)
        if event == Back(is_renewed=True):
            self._next_reply(0)
            if self._answers < self._words:
                raise ProviderUnavailable(UNANSWERED, provider=SERVICE)

    def _keep(self, sound: ReplySound) -> None:
        if sound.generation != self._reply.generation:
            self._next_reply(sound.generation)
        self._reply.add(sound)

    def _next_reply(self, generation: int) -> None:
        self._sound += bytes(self._reply.samples)
        self._reply = _Reply(generation)

    def _settle(self, *, listening: bool) -> None:
        if self._sent and self._words:
            self.understood.set()
            if listening and self._answers == self._words:
                self.answered.set()
