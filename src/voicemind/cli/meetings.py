"""`voicemind meetings`: planning encounters of agents, and ending them."""

from __future__ import annotations

import anyio

from voicemind.cli import record_pages
from voicemind.cli.asked import Meeting, Wanted
from voicemind.cli.reflections import LATER
from voicemind.cli.rest import Answer, Api, for_programs, more, part, reached
from voicemind.cli.rest_records import Meeting as MeetingRow
from voicemind.cli.rest_records import Prepared, Reflection, WholeMeeting
from voicemind.cli.screen import err, note
from voicemind.config import Settings

REFLECTION_LIMIT_S = 180.0
LOOK_AGAIN_S = 0.25


async def prepare(settings: Settings, agent: str, *, meeting: Meeting, as_json: bool) -> None:
    """Have an agent make up its mind for a meeting. Raises BadRequest, or what the server says of an agent that is in another one."""
    body = {
        "agent": agent,
        "participants": meeting.participants,
        "topic": meeting.topic,
        "kind": meeting.kind,
        "meeting_id": meeting.id,
        "user_id": meeting.user,
    }
    async with reached(settings, thinking=True) as api:
        with err.status("thinking…"):
            found = await api.ask(
                "POST",
                "/meetings/prepare",
                Prepared,
                body={name: value for name, value in body.items() if value is not None},
            )
    if as_json:
        for_programs(found.raw)
    else:
        record_pages.show_prepared(found.value)


async def list_meetings(settings: Settings, *, wanted: Wanted) -> None:
    """A row for each meeting, the newest first."""
    async with reached(settings) as api:
        found = await api.listed("/meetings", MeetingRow, wanted=wanted)
    if wanted.as_json:
        for_programs(found.raw)
        return
    record_pages.show_meetings(found.value.items)
    more(found.value)


async def show(settings: Settings, meeting: str, *, as_json: bool) -> None:
    """One meeting with its conversations. Raises UnknownMeeting."""
    async with reached(settings) as api:
        found = await api.get(f"/meetings/{part(meeting)}", WholeMeeting)
    if as_json:
        for_programs(found.raw)
    else:
        record_pages.show_meeting(found.value)


async def end(settings: Settings, meeting: str, *, as_json: bool) -> None:
    """End the conversations of all its agents, and wait for their reflections where somebody does them. Raises UnknownMeeting."""
    async with reached(settings) as api:
        ended = await api.ask("POST", f"/meetings/{part(meeting)}/end", list[Reflection])
        if as_json:
            for_programs(ended.raw)
            return
        reflections = await _settled(api, ended) if api.thinks else ended.value
    if not reflections:
        note("Nobody was in it.")
        return
    record_pages.show_reflections(reflections)
    if not api.thinks:
        note(LATER)


async def _settled(api: Api, ended: Answer[list[Reflection]]) -> list[Reflection]:
    """The reflections, once they are over or have taken long enough."""
    found = {one.conversation_id: one for one in ended.value}
    with err.status("remembering…"), anyio.move_on_after(REFLECTION_LIMIT_S):
        while waiting := [name for name, one in found.items() if not one.is_settled]:
            await anyio.sleep(LOOK_AGAIN_S)
            for name in waiting:
                found[name] = (await api.get(f"/reflections/{part(name)}", Reflection)).value
    if not all(one.is_settled for one in found.values()):
        note("Some of the reflections are still running; they go on in the background.")
    return list(found.values())
