"""Where a command's conversation takes place: the running server if one answers, else a server of its own in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from voicemind.cli.answers import SERVICE, Remembered
from voicemind.cli.client import Server
from voicemind.cli.screen import err, note
from voicemind.config import Settings
from voicemind.errors import Misconfigured, ProviderUnavailable

END_ATTEMPTS = 3


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[Server]:
    """A server that is ready to talk. Raises Misconfigured or ProviderUnavailable."""
    async with already_running(settings) as server:
        if server is not None:
            with err.status("waiting for the models…"):
                await server.wait_until_ready()
            yield server
            return
    refuse_missing_model(settings)
    async with in_process(settings) as server:
        with err.status("waking up the models…"):
            await server.wait_until_ready()
        yield server


@asynccontextmanager
async def already_running(settings: Settings) -> AsyncGenerator[Server | None]:
    """The server that runs, ready or not; None where there is none. Raises ProviderUnavailable where one is named and does not answer."""
    async with Server(settings.server_url, key=settings.api_key.get_secret_value()) as server:
        found = await server.version() is not None
        if settings.server and not found:
            raise ProviderUnavailable(
                f"No Voicemind server answers at {settings.server_url}: start one, or unset VOICEMIND_SERVER.",
                provider=SERVICE,
            )
        yield server if found else None


@asynccontextmanager
async def in_process(settings: Settings, *, models: bool = True) -> AsyncGenerator[Server]:
    """A server of our own, which need not be ready yet. Without `models` it never is: it reads and writes what is kept, and nothing else."""
    from voicemind import assembly
    from voicemind.ops import logs

    logs.configure("debug" if settings.log_level == "debug" else "error", as_json=settings.log_json)
    key = settings.api_key.get_secret_value()
    async with assembly.running(settings, models=models) as url, Server(url, key=key) as server:
        yield server


def refuse_missing_model(settings: Settings) -> None:
    """Raises Misconfigured, before anything is loaded, where the embedded model was not fetched yet."""
    from voicemind.models import catalog

    if settings.llm == "local" and catalog.located(catalog.find(settings.llm_model), settings.cache_dir) is None:
        raise Misconfigured(
            "VOICEMIND_LLM_MODEL",
            f"{settings.llm_model} is not on this machine yet",
            accepted="run `voicemind models pull` first",
        )


async def finish(server: Server, conversation_id: str) -> None:
    """End the conversation, wait until the agent has thought it over, and say what it keeps."""
    remembered = Remembered()
    with err.status("remembering…"):
        for _ in range(END_ATTEMPTS):
            remembered = await server.end(conversation_id)
            if not remembered.is_pending:
                break
    if remembered.is_pending:
        note("The reflection is still running; it goes on in the background.")
        return
    news = remembered.news()
    for label, lines in news.items():
        for line in lines:
            note(f"remembered in {label}: {line}", style="green")
    if remembered.reflection_status == "review":
        changes = f"{len(remembered.operations)} change{'' if len(remembered.operations) == 1 else 's'}"
        note(f"{changes} to the mind wait for a person's word: voicemind reflections review {conversation_id}")
    elif not news:
        note("Nothing new to remember.")
