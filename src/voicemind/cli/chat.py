"""`voicemind chat`: a typed conversation in the terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
from rich.text import Text

from voicemind.channels.browser import events
from voicemind.cli.answers import PASSING, SERVICE
from voicemind.cli.caller import Talk
from voicemind.cli.client import Server
from voicemind.cli.connection import connected, finish
from voicemind.cli.keyboard import Keyboard
from voicemind.cli.line import Back, Happening, Lost
from voicemind.cli.screen import err, note, out, said
from voicemind.config import Settings
from voicemind.errors import ProviderUnavailable

LEAVE = ("/end", "/quit", "/exit")
TWICE_WITHIN_S = 2.0
COMPLETE_LIMIT_S = 15.0
UNANSWERED = "What was said last is kept, but the server stopped before it was answered. Please ask again."


async def ask_once(settings: Settings, text: str, *, agent: str, user: str) -> None:
    """Put one question, print the answer alone, and end the conversation. Raises VoicemindError."""
    async with connected(settings) as server:
        opened = await server.open_conversation(agent, user=user, channel="text", greet=False)
        async with server.talk(opened) as talk, aclosing(talk.events()) as told:
            with err.status("thinking…"):
                await talk.say(text)
                answer = await _answer(told)
            said(answer)
            await hang_up(talk)
        await finish(server, opened.conversation_id)


async def _answer(told: AsyncGenerator[Happening]) -> str:
    asked = False
    async for event in told:
        match event:
            case events.Transcript(final=True):
                asked = True
            case events.AgentResponse(final=True, text=text) if asked:
                return text
            case events.Error(message=message, code=code):
                if code not in PASSING:
                    raise ProviderUnavailable(message, provider=SERVICE)
                note(message, style="red")
            case Lost() | Back():
                tell_connection(event)
                if asked and event == Back(is_renewed=True):
                    raise ProviderUnavailable(UNANSWERED, provider=SERVICE)
            case _:
                pass
    raise ProviderUnavailable("The server ended the conversation without an answer.", provider=SERVICE)


async def hang_up(talk: Talk) -> None:
    """Say that the conversation is over and wait until the server has stored everything. Nobody else may be reading the events."""
    with anyio.move_on_after(COMPLETE_LIMIT_S):
        await talk.end()
        async with aclosing(talk.events()) as told:
            async for event in told:
                if isinstance(event, events.Complete):
                    return


def tell_connection(event: Lost | Back) -> None:
    """One line about the connection, for the person."""
    match event:
        case Lost():
            note("The connection was lost; trying to get it back…")
        case Back(is_renewed=True):
            note("The connection is back. The server has a new session; the conversation goes on.")
        case Back():
            note("The connection is back.")


async def chat(settings: Settings, *, agent: str, user: str) -> None:
    """Talk until /end, Ctrl-D or Ctrl-C twice; then the agent remembers. Raises VoicemindError."""
    async with connected(settings) as server:
        await _converse(server, agent=agent, user=user)


async def _converse(server: Server, *, agent: str, user: str) -> None:
    opened = await server.open_conversation(agent, user=user, channel="text")
    async with server.talk(opened) as talk, aclosing(talk.events()) as told:
        conversation = Chat(talk)
        note("Type and press Enter. /end or Ctrl-D ends, Ctrl-C interrupts.")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conversation.show, told)
            tasks.start_soon(conversation.obey_signals)
            await conversation.read(Keyboard())
            tasks.cancel_scope.cancel()
        if not conversation.is_over:
            await hang_up(talk)
    await finish(server, opened.conversation_id)


class Chat:
    """What is on the screen of one typed conversation, and what the keys do."""

    def __init__(self, talk: Talk, *, clock: Callable[[], float] = anyio.current_time) -> None:
        self.is_over = False
        """Whether the server has ended the conversation."""
        self._talk = talk
        self._clock = clock
        self._name = ""
        self._shown = ""
        self._generation = -1
        self._idle = anyio.Event()
        """Set when the agent waits for the person."""
        self._asked = False
        """Whether the last line waits for its answer."""
        self._unheard = False
        """Whether the server has yet to acknowledge the last line; what ends before that belongs to something earlier."""
        self._leave = anyio.Event()
        self._interrupted_at = float("-inf")

    async def read(self, keyboard: Keyboard) -> None:
        """Send what is typed, a line after each answer, until the person leaves."""
        async with anyio.create_task_group() as tasks:

            async def until_left() -> None:
                await self._leave.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_left)
            while (line := await self._next_line(keyboard)) is not None and line.strip() not in LEAVE:
                if line.strip():
                    self._idle, self._unheard, self._asked = anyio.Event(), True, True
                    await self._talk.say(line.strip())
            tasks.cancel_scope.cancel()

    async def show(self, told: AsyncGenerator[Happening]) -> None:
        """Print what the agent says as it comes."""
        async for event in told:
            match event:
                case events.Ready(agent_name=name):
                    self._name = name
                case events.Transcript(final=True):
                    self._unheard = False
                case events.State(state="listening"):
                    self._be_idle()
                case events.AgentResponse():
                    self._show_reply(event)
                case events.Error(message=message):
                    note(message, style="red")
                    self._unheard = False
                    self._be_idle()
                case Lost() | Back():
                    self._tell_connection(event)
                case _:
                    pass
        self.is_over = True
        self._leave.set()

    async def obey_signals(self) -> None:
        """Ctrl-C stops the reply; twice, it ends the conversation."""
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            async for _ in signals:
                await self.interrupt()

    async def interrupt(self) -> None:
        """What Ctrl-C means now."""
        now = self._clock()
        if now - self._interrupted_at < TWICE_WITHIN_S:
            self._leave.set()
            return
        self._interrupted_at = now
        if self._idle.is_set():
            note("\nPress Ctrl-C again to leave.")
        await self._talk.interrupt()

    def _tell_connection(self, event: Lost | Back) -> None:
        self._finish_line()
        tell_connection(event)
        if event == Back(is_renewed=True):
            self._generation = -1
            if self._asked and not self._unheard:
                note(UNANSWERED)

    async def _next_line(self, keyboard: Keyboard) -> str | None:
        await self._idle.wait()
        if sys.stdin.isatty():
            out.print("[bold]you ›[/bold] ", end="")
            out.file.flush()
        return await keyboard.line()

    def _show_reply(self, reply: events.AgentResponse) -> None:
        """The text grows; what is already on the screen is not printed again."""
        if reply.generation != self._generation:
            self._generation = reply.generation
            self._finish_line()
        if not self._shown:
            out.print(Text(f"{self._name} › ", style="bold cyan"), end="")
        elif not reply.text.startswith(self._shown) and not reply.interrupted:
            said("")
            self._shown = ""
        said(reply.text[len(self._shown) :], end="")
        self._shown = reply.text
        if reply.final:
            said(" —" if reply.interrupted else "")
            self._shown = ""
            self._be_idle()

    def _be_idle(self) -> None:
        if not self._unheard:
            self._finish_line()
            self._asked = False
            self._idle.set()

    def _finish_line(self) -> None:
        """A reply that broke off leaves its line open."""
        if self._shown:
            said("")
            self._shown = ""
