"""Which engines serve a conversation: the one that the settings name, those that take over where it fails, and writing as the last resort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from voicemind.assembly.providers import PROSODIES, STTS, TTSS, chosen
from voicemind.config import Settings
from voicemind.conversation.relay import BuildEngine
from voicemind.engines.cascade.run import Cascade, Tact
from voicemind.engines.cascade.state import TurnLimits
from voicemind.engines.contract import Engine, Scene
from voicemind.errors import Misconfigured, ProviderUnavailable, VoicemindError
from voicemind.mind.agent import Agent
from voicemind.mind.prompt import Channel
from voicemind.speech.prosody.contract import Prosody
from voicemind.speech.stt.contract import Stt
from voicemind.speech.tts.contract import Tts
from voicemind.speech.vad.contract import Vad

EARLY_TRIES = 3
"""So often is an utterance thought about while it may be going on: each costs a model's time."""

log = structlog.get_logger(__name__)


class Voices:
    """Everything that listens and speaks. Raises Misconfigured for a fall-back that does not exist."""

    def __init__(self, settings: Settings, *, stt: Stt, vad: Vad, tts: Tts) -> None:
        self._vad = vad
        stts: dict[str, Stt] = {settings.stt: stt}
        ttss: dict[str, Tts] = {settings.tts: tts}
        self._pairs: list[tuple[Stt, Tts]] = [(stt, tts)]
        for name in filter(None, (name.strip() for name in settings.voice_fallback.split(","))):
            ears, slash, mouth = (part.strip() for part in name.partition("/"))
            if not slash:
                raise Misconfigured("VOICEMIND_VOICE_FALLBACK", f"{name!r} is no pair", accepted="stt/tts,stt2/tts2")
            if ears not in stts:
                stts[ears] = chosen("VOICEMIND_VOICE_FALLBACK", STTS, ears)(settings)
            if mouth not in ttss:
                ttss[mouth] = chosen("VOICEMIND_VOICE_FALLBACK", TTSS, mouth)(settings)
            self._pairs.append((stts[ears], ttss[mouth]))
        turn = TurnLimits(
            silence_s=settings.silence_prompt_s, early_tries=EARLY_TRIES if settings.early_thinking else 0
        )
        prosody = chosen("VOICEMIND_PROSODY", PROSODIES, settings.prosody)(settings)
        self.tact = Tact(turn=turn, prosody=prosody)
        self.stand_ins: tuple[Stt | Tts | Prosody, ...] = (
            *list(stts.values())[1:],
            *list(ttss.values())[1:],
            *([prosody] if prosody else []),
        )
        """What has to be started and closed besides the first ones."""
        self._missing: set[int] = set()

    async def start(self, stand_in: Stt | Tts | Prosody) -> None:
        """Start one of them; where that fails, it stands in for nobody, or advises nobody."""
        try:
            await stand_in.start()
        except VoicemindError as error:
            self._missing.add(id(stand_in))
            log.warning("a fall-back cannot be loaded", provider=stand_in.name, code=error.code)

    def engines(self, agent: Agent, channel: Channel) -> Sequence[BuildEngine]:
        """What serves a conversation with this agent, the best first."""
        if channel == "text":
            return [lambda scene: self._cascade(scene, agent, None, None)]
        spoken = [self._spoken(agent, stt, tts) for stt, tts in self._pairs]
        return [*spoken, lambda scene: self._cascade(scene, agent, None, None)]

    def _spoken(self, agent: Agent, stt: Stt, tts: Tts) -> BuildEngine:
        def build(scene: Scene) -> Engine:
            if {id(stt), id(tts)} & self._missing:
                raise ProviderUnavailable("It could not be loaded.", provider=f"{stt.name}/{tts.name}")
            return self._cascade(scene, agent, stt, tts)

        return build

    def _cascade(self, scene: Scene, agent: Agent, stt: Stt | None, tts: Tts | None) -> Engine:
        return Cascade(
            scene,
            stt=stt,
            vad=self._vad if stt else None,
            tts=tts,
            language=agent.language,
            voice=agent.voice,
            tact=replace(self.tact, prosody=None) if id(self.tact.prosody) in self._missing else self.tact,
        )
