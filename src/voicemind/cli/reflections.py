"""`voicemind reflections`: what became of ended conversations, and a person's word on what is to be remembered of them."""

from __future__ import annotations

from collections.abc import Sequence

from voicemind.cli import mind_pages, record_pages
from voicemind.cli.asked import Decision, Decisions, Wanted
from voicemind.cli.asking import Lines, answer
from voicemind.cli.keyboard import Keyboard
from voicemind.cli.mind_pages import NOBODY
from voicemind.cli.rest import Answer, Api, for_programs, more, part, reached
from voicemind.cli.rest_records import BlockDiff, Change, Reflection
from voicemind.cli.screen import err, note, out, paragraph
from voicemind.config import Settings
from voicemind.errors import BadRequest

LATER = "It is done by the next server that runs here: voicemind serve."


async def list_reflections(settings: Settings, *, agent: str | None, status: str | None, wanted: Wanted) -> None:
    """A row for each reflection, the newest first."""
    async with reached(settings) as api:
        found = await api.listed("/reflections", Reflection, wanted=wanted, agent=await api.slug(agent), status=status)
    if wanted.as_json:
        for_programs(found.raw)
        return
    record_pages.show_reflections(found.value.items)
    more(found.value)


async def show(settings: Settings, conversation: str, *, as_json: bool) -> None:
    """One reflection. Raises UnknownConversation."""
    async with reached(settings) as api:
        found = await api.get(_address(conversation), Reflection)
    if as_json:
        for_programs(found.raw)
    else:
        record_pages.show_reflection(found.value)


async def retry(settings: Settings, conversation: str, *, as_json: bool) -> None:
    """Have one that was given up tried again. Raises UnknownConversation."""
    async with reached(settings) as api:
        found = await api.ask("POST", f"{_address(conversation)}/retry", Reflection)
    if as_json:
        for_programs(found.raw)
        return
    record_pages.show_reflection(found.value)
    if not api.thinks and not found.value.is_settled:
        note(LATER)


async def review(settings: Settings, conversation: str | None, *, decisions: Decisions, as_json: bool) -> None:
    """Decide on what waits: on one conversation, or on all that wait, one after another. Raises BadRequest where nothing is decided."""
    lines = Keyboard().line
    async with reached(settings) as api:
        for waiting in await _waiting(api, conversation):
            made = decisions.for_all(len(waiting.proposal))
            if made is None:
                made = await asked(waiting, lines)
            if made is None:
                raise BadRequest(
                    f"Nothing was decided on {waiting.conversation_id}. Scripts say --accept-all, --reject-all, or --decide for each change."
                )
            await _decide(api, waiting, made, as_json=as_json)


async def _waiting(api: Api, conversation: str | None) -> list[Reflection]:
    if conversation is not None:
        one = (await api.get(_address(conversation), Reflection)).value
        if one.status != "review":
            raise BadRequest(
                f"The reflection on {conversation} {record_pages.STATES.get(one.status, one.status)}: there is nothing to decide."
            )
        return [one]
    found = await api.listed("/reflections", Reflection, wanted=Wanted(), status="review")
    if not found.value.items:
        note("Nothing waits for your word.")
    return found.value.items[::-1]


async def _decide(api: Api, waiting: Reflection, made: Sequence[Decision], *, as_json: bool) -> None:
    body = {"decisions": [{"verdict": one.verdict, "text": one.text} for one in made]}
    with err.status("remembering…"):
        decided = await api.ask("POST", f"{_address(waiting.conversation_id)}/decide", Reflection, body=body)
    if as_json:
        for_programs(decided.raw)
        return
    await _report(api, decided)


async def _report(api: Api, decided: Answer[Reflection]) -> None:
    """What the mind holds now that it did not hold before."""
    one = decided.value
    if one.before is None or one.after is None or one.before == one.after:
        note("Nothing of it is remembered.")
        return
    where = f"/minds/{part(one.agent)}/{part(one.user_id or NOBODY)}/diff"
    found = await api.ask("GET", where, list[BlockDiff], query={"from": max(one.after - 1, 1), "to": one.after})
    mind_pages.show_diff(found.value)
    note(f"{mind_pages.whose(one.agent, one.user_id)}: version {one.after}.")


async def asked(waiting: Reflection, lines: Lines) -> list[Decision] | None:
    """What the person says of each proposed change; None where they stop before the last one."""
    about = mind_pages.whose(waiting.agent, waiting.user_id)
    paragraph(f"{about}, after {waiting.conversation_id}", style="bold")
    made: list[Decision] = []
    for number, change in enumerate(waiting.proposal, 1):
        out.print()
        paragraph(f"{number} of {len(waiting.proposal)}", style="dim")
        mind_pages.show_change(change)
        decision = await _verdict(change, lines)
        if decision is None:
            return None
        made.append(decision)
    return made


async def _verdict(change: Change, lines: Lines) -> Decision | None:
    can_edit = change.after is not None
    question = "[a]ccept, [e]dit, [r]eject, [q]uit?" if can_edit else "[a]ccept, [r]eject, [q]uit?"
    while (said := await answer(question, lines)) not in (None, "q", "quit"):
        match said:
            case "a" | "accept":
                return Decision("accept")
            case "r" | "reject":
                return Decision("reject")
            case "e" | "edit" if can_edit:
                text = await answer("In your words:", lines)
                if text:
                    return Decision("edit", text)
            case _:
                note("Type one of the letters and press Enter.")
    return None


def _address(conversation: str) -> str:
    return f"/reflections/{part(conversation)}"
