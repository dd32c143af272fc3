"""Speaks: has replies thought and said, holds them, lets them go on, gives them up, and stores what was heard of each."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from voicemind.engines.cascade import happenings as on
from voicemind.engines.cascade.aloud import Aloud
from voicemind.engines.cascade.asked import Asked
from voicemind.engines.cascade.failures import Failures
from voicemind.engines.cascade.speak import Answer, SpokenReply
from voicemind.engines.cascade.words import asks
from voicemind.engines.contract import Hushed, Trouble, TurnTimed
from voicemind.errors import StorageUnavailable
from voicemind.speech.tts.contract import Tts

SAVE_LIMIT_S = 20.0
"""For what was said of a reply to be stored. A scene's own word that it cannot be comes sooner."""


class Mouth:
    """Of one conversation. A number of which there is no reply any more is ignored: it ended while that was being decided."""

    def __init__(
        self,
        scene: Aloud,
        tts: Tts | None,
        voice: str | None,
        *,
        post: Callable[[on.Happening], None],
        failures: Failures,
    ) -> None:
        self._scene, self._tts, self._voice = scene, tts, voice
        self._post, self._failures = post, failures
        self._replies: dict[int, SpokenReply] = {}
        self._secret: set[int] = set()
        """Those of which nobody is to hear yet."""
        self._heard: tuple[int, str] = (0, "")
        """The newest reply that is over, and what was heard of it."""

    def begin(self, number: int, answer: Answer, tasks: TaskGroup, asked: Asked, *, waits: bool) -> None:
        """Have an answer thought and, unless it waits to be released, said."""
        reply = SpokenReply(
            number,
            scene=self._scene,
            tts=self._tts,
            voice=self._voice,
            asked_at=asked.at_s,
            heard_at=asked.heard_s,
            endpoint_ms=asked.silence_ms,
            waits=waits,
        )
        self._replies[number] = reply
        if waits:
            self._secret.add(number)
        tasks.start_soon(self._reply, reply, answer)

    def played(self, number: int, ms: float) -> None:
        """How much of a reply has left the client's loudspeaker."""
        if reply := self._replies.get(number):
            reply.played(ms)

    def release(self, number: int, asked: Asked) -> None:
        """Let a reply out that waits."""
        self._secret.discard(number)
        if reply := self._replies.get(number):
            reply.release(asked_at=asked.at_s, heard_at=asked.heard_s, endpoint_ms=asked.silence_ms)

    async def hold(self, number: int, *, is_told: bool) -> None:
        """No more sound for now. The client is told, also where sound went out before anybody knew: what goes on is sent from the cut."""
        if reply := self._replies.get(number):
            is_told = is_told or reply.is_out
            heard = reply.hold()
            self._scene.hushed()
            if is_told:
                await self._scene.show(Hushed(number, heard))

    def go_on(self, number: int) -> None:
        """Sound from where it was cut."""
        if reply := self._replies.get(number):
            reply.go_on()

    def forget(self, number: int) -> None:
        """Give a reply up of which nobody has heard."""
        if reply := self._replies.get(number):
            reply.scope.cancel()

    async def stop(self, number: int, *, told: int | None = None) -> None:
        """Silence first, then the books: the next reply must find this one stored. `told`: the number that the client is told to be silent."""
        reply = self._replies.get(number)
        heard = self._heard[1] if told == self._heard[0] else ""
        if reply:
            heard = reply.hold()
            reply.scope.cancel()
        self._scene.hushed()
        if told is not None:
            await self._scene.show(Hushed(told, heard))
        if reply:
            with anyio.move_on_after(SAVE_LIMIT_S):
                await reply.over.wait()

    async def _reply(self, reply: SpokenReply, answer: Answer) -> None:
        """Run the reply; whatever ends it, what was said of it is stored. Raises StorageUnavailable where it cannot be."""

        async def sounding() -> None:
            self._post(on.ReplySounding(reply.number))

        try:
            with reply.scope:
                await reply.run(answer, sounding)
        finally:
            try:
                await self._store(reply)
            finally:
                del self._replies[reply.number]
                reply.over.set()
        await self._judge(reply)
        self._secret.discard(reply.number)
        self._post(on.ReplyEnded(reply.number, asks=asks(reply.said.heard), in_vain=reply.in_vain))

    async def _store(self, reply: SpokenReply) -> None:
        said = reply.said
        if reply.number in self._secret:
            return
        self._heard = (reply.number, said.heard)
        if not said.heard:
            return
        with anyio.CancelScope(shield=True), anyio.move_on_after(SAVE_LIMIT_S):
            await self._scene.agent_said(said)
            if self._tts:
                await self._scene.show(TurnTimed(reply.number, said.timings_ms))
            return
        raise StorageUnavailable("What the agent said last could not be stored in time.")

    async def _judge(self, reply: SpokenReply) -> None:
        """Was it the voice that failed? A reply of which nobody was to hear failed for nobody, and a voice that made no sound has not worked."""
        if reply.number in self._secret or reply.in_vain:
            return
        if reply.voice_failure:
            await self._failures.failed("tts", reply.voice_failure)
            return
        if reply.made_sound:
            self._failures.worked("tts")
        if reply.failure:
            await self._scene.show(
                Trouble(reply.failure.code, "The answer could not be finished. Please say it again.")
            )
