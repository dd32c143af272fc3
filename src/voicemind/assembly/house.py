"""From settings to a running server: everything that one process needs, opened and closed in order."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import structlog
from starlette.types import ASGIApp

from voicemind.assembly.lineup import Models, named
from voicemind.assembly.lookout import Lookout
from voicemind.assembly.providers import EMBEDDERS, STTS, TTSS, VADS, build_reflector, chosen
from voicemind.assembly.voices import Voices
from voicemind.channels.admin.endpoint import Admin
from voicemind.channels.admin.sessions import AgentSessions
from voicemind.channels.answering import Answering
from voicemind.channels.app import application
from voicemind.channels.audio.endpoint import Audio
from voicemind.channels.browser.endpoint import VoiceConversations
from voicemind.channels.browser.guard import Limits as SocketLimits
from voicemind.channels.chat_completions.endpoint import ChatCompletions
from voicemind.channels.described import Description
from voicemind.channels.responses.endpoint import Responses
from voicemind.channels.rest.entrance import Rest
from voicemind.channels.rest.rooms import Rooms
from voicemind.channels.webhooks.endpoint import Webhooks
from voicemind.config import Settings
from voicemind.conversation.audience import Audience
from voicemind.conversation.briefing import Briefing
from voicemind.conversation.ending import Endings, Patience
from voicemind.conversation.erasing import Erasing
from voicemind.conversation.exchange import Exchanges, Manners
from voicemind.conversation.live import Live
from voicemind.conversation.meetings import Meetings
from voicemind.conversation.opening import Opened, Opening
from voicemind.conversation.reflecting import Reflecting, reflection_worker
from voicemind.conversation.reviewing import Reviews
from voicemind.conversation.roll_out import RollOut
from voicemind.conversation.session import Session
from voicemind.conversation.settling import Settling
from voicemind.conversation.unnamed import Unnamed
from voicemind.conversation.watching import Unwatched, Watch
from voicemind.embedding.contract import Embedder
from voicemind.errors import ProviderUnavailable, Stopping, StorageUnavailable, VoicemindError
from voicemind.llm.contract import Llm
from voicemind.mind.agent import Agent
from voicemind.mind.agent_files import load_agents
from voicemind.mind.archive import Archives
from voicemind.mind.context import Minds
from voicemind.mind.edits import Edits
from voicemind.mind.intent import Intents
from voicemind.mind.prompt import Channel
from voicemind.mind.reply import Replies
from voicemind.mind.roster import Roster
from voicemind.ops.auth import Guests
from voicemind.ops.limits import Limits, Rates, Room
from voicemind.ops.lock import folder_lock
from voicemind.ops.marks import Marks
from voicemind.ops.signatures import Secrets
from voicemind.speech.prosody.contract import Prosody
from voicemind.speech.stt.contract import Stt
from voicemind.speech.tts.contract import Tts
from voicemind.speech.vad.contract import Vad
from voicemind.store.contract import Store
from voicemind.store.sql import SqlStore

log = structlog.get_logger(__name__)

STOP_LIMIT_S = 10
_Provider = Llm | Stt | Tts | Vad | Embedder | Prosody


@dataclass
class House:
    """Everything that one process needs, built from settings and not yet started."""

    settings: Settings
    store: Store
    models: Models
    stt: Stt
    tts: Tts
    vad: Vad
    embedder: Embedder
    agents: Mapping[str, Agent]
    guests: Guests
    problem: VoicemindError | None = None
    loaded: bool = False
    limits: SocketLimits = field(default_factory=SocketLimits)
    """How much is taken from a socket's client."""
    watch: Watch = field(default_factory=Unwatched)
    """Is told of what happens to sessions."""

    @classmethod
    def build(cls, settings: Settings, *, watch: Watch | None = None) -> House:
        """Raises Misconfigured for whatever would not work."""
        agents = load_agents(settings.agents_dir)
        return cls(
            settings=settings,
            store=SqlStore(settings.database),
            models=Models(settings, named(agents.values())),
            stt=chosen("VOICEMIND_STT", STTS, settings.stt)(settings),
            tts=chosen("VOICEMIND_TTS", TTSS, settings.tts)(settings),
            vad=chosen("VOICEMIND_VAD", VADS, settings.vad)(settings),
            embedder=chosen("VOICEMIND_EMBEDDING", EMBEDDERS, settings.embedding)(settings),
            agents=agents,
            watch=watch or Unwatched(),
            guests=Guests.of(settings),
        )

    def __post_init__(self) -> None:
        settings = self.settings
        self.secrets = Secrets(settings.elevenlabs_webhook_secret.get_secret_value(), tenants=self.guests.keys.tenants)
        minds = Minds(self.store)
        archives = Archives(self.store, self.embedder)
        self.llm = self.models.default
        self.lookout = Lookout(settings, self.store, besides=self.watch)
        self.replies = Replies(self.llm, minds, archives, lineup=self.models)
        self.roster = Roster(self.agents, self.store)
        self.opening = Opening(self.store, self.roster)
        self.live = Live(
            limit=settings.max_concurrent_sessions,
            queue_places=settings.queue_places,
            queue_wait_s=settings.queue_wait_s,
            roll_out=RollOut(settings.realtime_percent),
            watch=self.lookout.watch,
        )
        self.lookout.recordings.on_stop = self.live.recording_stopped
        self.voices = Voices(settings, stt=self.stt, vad=self.vad, tts=self.tts)
        reflector = build_reflector(settings, self.llm)
        reflecting = Reflecting(self.store, self.opening, minds, archives, self.replies, reflector)
        worker = reflection_worker(
            self.store, reflecting, name=f"{socket.gethostname()}:{os.getpid()}", settings=settings
        )
        self.endings = Endings(
            self.store, self.opening, worker, patience=Patience.of(settings), tidy=self.lookout.recordings.tidy
        )
        self.exchanges = Exchanges(self.store, self.replies, self.endings, manners=Manners.of(settings))
        self.rooms = Rooms(
            store=self.store,
            roster=self.roster,
            edits=Edits(self.store, minds, archives),
            endings=self.endings,
            reviews=Reviews(self.store, self.opening, minds, archives),
            meetings=Meetings(self.store, self.opening, self.endings, self.live, Intents(self.llm, minds)),
            erasing=Erasing(self.store, self.live, self.exchanges, minds, archives, tidy=self.lookout.recordings.tidy),
            recordings=self.lookout.recordings,
        )

    @asynccontextmanager
    async def open(self, *, models: bool = True) -> AsyncGenerator[ASGIApp]:
        """Open the store, begin loading the models, and serve reflections; yields the application. Raises Misconfigured.

        Without `models` nothing is loaded, and nothing is said, reflected or swept: what needs the store alone works. Where one cannot
        be loaded, nothing is said, but what is stale ends, what is erased leaves the files, and reflection goes on if it can.
        """
        async with AsyncExitStack() as stack:
            self.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            stack.enter_context(folder_lock(self.settings.data_dir))
            stack.push_async_callback(self.store.aclose)
            await self.store.start()
            await stack.enter_async_context(self.lookout.running())
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            tasks.start_soon(self.guests.watch)
            if models:
                tasks.start_soon(self._load)
            await stack.enter_async_context(self.exchanges.running())
            await stack.enter_async_context(self.live.running())
            yield self._application()

    async def _load(self) -> None:
        """Load the models side by side, and look after what is kept meanwhile; what can be thought with without the others is not kept waiting for them."""
        providers: tuple[_Provider, ...] = (*self.models.llms, self.stt, self.tts, self.vad, self.embedder)
        stand_ins = self.voices.stand_ins
        async with AsyncExitStack() as stack:
            for provider in (*providers, *stand_ins):
                stack.push_async_callback(_closed, provider)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.endings.sweep)
                started: list[_Provider] = []
                async with anyio.create_task_group() as starting:
                    for provider in providers:
                        starting.start_soon(self._start, provider, started)
                    for stand_in in stand_ins:
                        starting.start_soon(self.voices.start, stand_in)
                self.loaded = self.problem is None
                if self.models.llms[0] in started and self.embedder in started:
                    await self.endings.reflect()

    async def _start(self, provider: _Provider, started: list[_Provider]) -> None:
        """One that fails leaves the others as they are: the first problem is the one that is told."""
        try:
            await provider.start()
        except VoicemindError as error:
            self.problem = self.problem or error
            log.error("models cannot be loaded", code=error.code, why=str(error))
        else:
            started.append(provider)

    async def why_not_ready(self) -> str:
        """One word; empty when everything works."""
        if self.live.is_draining:
            return Stopping.code
        if self.problem is not None:
            return self.problem.code
        if not self.loaded:
            return "loading"
        try:
            await self.store.check()
        except StorageUnavailable as error:
            return error.code
        return ""

    def session(self, opened: Opened, channel: Channel, audience: Audience) -> Session:
        """The session of one conversation, with the engines that its channel needs. Raises ProviderRefused for a language that is not spoken here."""
        if self.problem is not None or not self.loaded:
            raise self.problem or ProviderUnavailable("The models are still being loaded.", provider="voicemind")
        return Session(
            opened,
            channel=channel,
            store=self.store,
            replies=self.replies,
            endings=self.endings,
            engines=self.voices.engines(opened.agent, channel),
            audience=audience,
            watch=self.live.watch,
        )

    def _application(self) -> ASGIApp:
        admin = Admin(
            rooms=self.rooms,
            opening=self.opening,
            exchanges=self.exchanges,
            live=self.live,
            guests=self.guests,
            problem=self.why_not_ready,
        )
        briefing = Briefing(self.store, self.endings, self.replies)
        sessions = AgentSessions(self.opening, meetings=self.rooms.meetings, briefing=briefing)
        settling = Settling(self.store, self.opening, self.endings, exchanges=self.exchanges, live=self.live)
        webhooks = Webhooks(settling, self.opening, briefing, secrets=self.secrets)
        answering = Answering(
            self.opening,
            self.exchanges,
            unnamed=Unnamed(self.store) if self.settings.keep_unnamed else None,
            merges_prompt=self.settings.platform_prompt == "merge",
        )
        completions = ChatCompletions(answering, self.roster)
        responses = Responses(answering, self.store, marks=Marks(self.guests.keys, folder=self.settings.data_dir))
        voice = VoiceConversations(
            self.opening,
            self.live,
            self.session,
            output_rate_hz=self.tts.rate_hz,
            guests=self.guests,
            limits=self.limits,
            is_recorded=self.lookout.recordings.records,
        )
        return application(
            [
                *admin.routes(),
                *sessions.routes(),
                *webhooks.routes(),
                *completions.routes(),
                *responses.routes(),
                *Audio(self.stt, self.tts, self.roster, why_not_ready=self.why_not_ready).routes(),
                *Description().routes(),
                *voice.routes(),
                *Rest(self.rooms).routes(),
                *self.lookout.routes(self.guests),
            ],
            guests=self.guests,
            allowed_origins=self.settings.origins,
            limits=Limits(Rates(self.settings.rate_per_minute), Room(self.settings.max_concurrent_requests)),
        )


async def _closed(provider: _Provider) -> None:
    with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_LIMIT_S):
        await provider.aclose()
