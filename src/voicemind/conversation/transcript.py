"""What a request's messages mean for the stored transcript. Pure.

A voice platform sends the whole talk, or its newest part, with every request: again after a time-out, while it is still recognising, after
the results of calls, when the person says nothing, and after a barge-in with what was really heard. So nothing is appended because a
request came: the stored turns are brought in line with what it tells. Where two readings are possible, the one is taken that loses no words
of the person: docs/adr/017-reconciled-transcripts.md has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from voicemind.conversation.alignment import Taken, Walk, best_walk, boundary, next_of_person, take, unheard
from voicemind.conversation.beginnings import Turns, few
from voicemind.conversation.told import Request, Run, Told, fingerprint, read
from voicemind.conversation.wording import alike, spelled
from voicemind.llm.contract import Message
from voicemind.mind.history import messages_of
from voicemind.store.turn_edits import DroppedTurns, RewordedTurn, TurnEdit
from voicemind.store.values import Modality, NewTurn, Turn

Kind = Literal["new", "revised", "retry", "replay", "continuation", "silence", "tool_result"]

SILENCE = Message("user", "...")
"""What a model is shown for a person who says nothing."""
GO_ON = Message("user", "(go on)")
"""What a model is shown where the agent's own words are to be continued."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a request is, and what to do.

    `edits` come before anything is generated; () where nothing changes. `history` is what the model is to see, with what was really heard; ()
    where nothing is generated. `replay` are the stored turns of the agent to send again, words and calls. To `join` is to take part in the
    answer that is being generated.
    """

    kind: Kind
    does: Literal["generate", "join", "replay"]
    edits: tuple[TurnEdit, ...] = ()
    history: tuple[Message, ...] = ()
    replay: tuple[Turn, ...] = ()


def appended(first: Reconciled) -> tuple[NewTurn, ...]:
    """The turns with which a conversation begins, before which there was nothing to edit."""
    return tuple(edit for edit in first.edits if isinstance(edit, NewTurn))


def reconcile(
    stored: Sequence[Turn],
    messages: Sequence[Message],
    *,
    pending: Sequence[Message] | None = None,
    spoken: Callable[[str], str] = str,
    superseded: Collection[int] = (),
    modality: Modality = "text",
) -> Reconciled:
    """Compare the chat of a request (without system messages) with the transcript.

    `pending` are the messages of the request whose answer is being generated; its turn is stored, its answer is not. `spoken` takes out of
    the agent's words what was put there only to fill a pause. `superseded` are the fingerprints of requests that a later one has revised:
    they change nothing when they come again. New turns get the `modality`.
    """
    request = read(messages, spoken)
    case = _Case(stored, request, is_pending=pending is not None, modality=modality)
    if superseded and stored and fingerprint(messages) in superseded and case.persons:
        return case.same_again(case.persons[-1], is_late=True)
    if pending is not None and fingerprint(messages) == fingerprint(pending):
        return Reconciled("retry", "join")
    return case.asked(request.ask) if request.ask else case.unasked()


class _Case:
    """One request before one transcript. Places are those among the turns with words."""

    def __init__(self, stored: Sequence[Turn], request: Request, *, is_pending: bool, modality: Modality) -> None:
        self._stored, self._request, self._is_pending = stored, request, is_pending
        self._modality: Modality = modality
        self._turns = Turns([turn for turn in stored if turn.generated.strip()])
        self.persons = [place for place, turn in enumerate(self._turns) if turn.role == "user"]

    def asked(self, ask: Run) -> Reconciled:
        """The person says something."""
        has_past = any(run.text for run in self._request.past)
        walk = best_walk(self._turns, self._request.past, ask) if has_past else self._alone(ask)
        if walk is None:
            return self._unknown(ask)
        if walk.told:
            kind: Kind = (
                "revised" if walk.cut is not None and next_of_person(self._turns, walk.cut) is not None else "new"
            )
            return self._generate(kind, walk, cut=self._seq(walk.cut), told=[*walk.told, *ask.parts])
        return self._follow(walk, ask)

    def unasked(self) -> Reconciled:
        """The platform wants the agent to speak, and the person has said nothing new."""
        request = self._request
        if not any(run.text for run in request.past):
            return self._wordless()
        walk = best_walk(self._turns, request.past, None)
        if walk is None or walk.told:
            walk = walk or Walk(told=request.told, start=len(self._turns))
            cut = self._seq(walk.cut) or self._partial()
            return self._generate(self._kind(None), walk, cut=cut, told=walk.told)
        return self._go_on(walk, self._answered(self._turns[walk.at - 1].seq))

    def _go_on(self, walk: Walk, seq: int) -> Reconciled:
        """What the request tells ends with the turn `seq`; what comes next?"""
        if seq == len(self._stored):
            calls = [part for part in self._request.told[-1:] if not part.text]
            return self._generate(self._kind(walk), walk, cut=None, told=calls)
        following = self._stored[seq]
        if following.role == "agent":
            return self._again(following, walk, kind=self._kind(walk))
        later = self._reply_after(seq) or next(
            (turn for turn in reversed(self._stored[:seq]) if turn.role == "agent" and not _is_partial(turn)), None
        )
        return self._late(later)

    def same_again(self, place: int, *, is_late: bool = False, walk: Walk | None = None) -> Reconciled:
        """The person's turn at this place is asked again; `is_late` where the request is older than the turn."""
        seq = self._turns[place].seq
        reply = self._reply_after(seq)
        if self._is_pending and (reply is None or _is_partial(reply)):
            return Reconciled("retry", "join")
        if is_late or walk is None or place != self.persons[-1]:
            return self._late(reply)
        if reply is not None and not _is_partial(reply):
            return self._late(reply)
        return self._generate("retry", walk, cut=reply.seq if reply else None)

    def _alone(self, ask: Run) -> Walk | None:
        """The way to a request that tells nothing but what the person says now; None where it is not known from where on that is new."""
        if not self._turns:
            return Walk()
        if called := self._called(self._request.opening):
            after = next((place for place, turn in enumerate(self._turns) if turn.seq > called.seq), len(self._turns))
            return Walk(after, after)
        for place in (*few(self._last_run()), *self.persons[:1]):
            taken = take(self._turns, place, ask)
            known = boundary(self._turns, taken.users, ask)
            if taken.users and (not taken.rest or known[0]):
                return Walk(place, place)
        begun = few(
            [place for place in self.persons if len(ask.texts) > 1 and ask.spelled.startswith(self._turns.key(place))]
        )
        return next((Walk(place, place) for place in begun if not take(self._turns, place, ask).rest), None)

    def _unknown(self, ask: Run) -> Reconciled:
        """Nothing that the request tells is known. It may be the first turn or an unanswered one anew; else it is new."""
        last_run = self._last_run()
        if last_run and not self._request.past:
            before = spelled(" ".join(self._turns[place].generated for place in last_run))
            now = ask.spelled
            reply = self._reply_after(self._turns[last_run[-1]].seq)
            is_open = self._is_pending or reply is None or _is_partial(reply)
            if is_open or len(last_run) == len(self.persons):
                if before.startswith(now):
                    return self.same_again(last_run[-1], is_late=True)
                if now.startswith(before) or (is_open and alike(before, now)):
                    return self._follow(Walk(last_run[0], last_run[0]), ask)
        walk = Walk(len(self._turns), told=self._request.told)
        return self._generate("new", walk, cut=self._partial(), told=walk.told)

    def _follow(self, walk: Walk, ask: Run) -> Reconciled:
        """Everything before the person's last words is known; what about those?"""
        taken = take(self._turns, walk.at, ask)
        end = taken.users[-1] + 1 if taken.users else walk.at
        following = next_of_person(self._turns, end)
        if taken.users and not taken.rest:
            return self.same_again(taken.users[-1], walk=walk)
        if following is not None and self._turns.key(following).startswith(taken.rest):
            return self.same_again(following, is_late=True)
        texts, users = told = boundary(self._turns, taken.users, ask)
        if following is None and users == len(taken.users):
            cut = self._seq(end) if walk.at or taken.users else self._partial()
            unheard(walk, self._turns, taken.unheard if walk.at else ())
            kind: Kind = "continuation" if taken.users else "new"
            return self._generate(kind, walk, cut=cut, told=_asks(ask, texts))
        return self._revised(walk, taken, ask=ask, shared=told, following=following)

    def _revised(
        self, walk: Walk, taken: Taken, *, ask: Run, shared: tuple[int, int], following: int | None
    ) -> Reconciled:
        """The person's words read differently from some turn of theirs on, and everything after it was an answer to other words."""
        texts, users = shared
        end = taken.users[users - 1] + 1 if users else walk.at
        target = taken.users[users] if users < len(taken.users) else following
        fresh = _asks(ask, texts)
        if target is None or target > end > walk.start:  # something between them was not heard
            return self._generate("revised", walk, cut=self._seq(end), told=fresh)
        seq = self._turns[target].seq
        walk.edits[seq] = RewordedTurn(seq, fresh[0].text)
        return self._generate("revised", walk, cut=seq + 1, told=fresh[1:])

    def _wordless(self) -> Reconciled:
        """The request tells no words: calls have been answered, or the agent is to begin, or to speak to somebody silent."""
        if called := self._called(self._request.called):
            return self._go_on(Walk(start=len(self._turns)), called.seq)
        first = self._stored[0] if self._stored else None
        if first is not None and first.role == "agent":
            return self._again(first, Walk(), kind="silence")
        walk = Walk(start=len(self._turns))
        return self._generate(self._kind(None), walk, cut=self._partial(), told=self._request.told)

    def _again(self, reply: Turn, walk: Walk, *, kind: Kind) -> Reconciled:
        """What is asked for has been answered with this turn."""
        if not _is_partial(reply):
            return self._late(reply)
        return Reconciled("retry", "join") if self._is_pending else self._generate(kind, walk, cut=reply.seq)

    def _late(self, reply: Turn | None) -> Reconciled:
        if reply is not None:
            return Reconciled("replay", "replay", replay=(reply,))
        if self._is_pending:
            return Reconciled("retry", "join")
        return Reconciled("retry", "generate", (), messages_of(self._stored))

    def _generate(self, kind: Kind, walk: Walk, *, cut: int | None, told: Sequence[Told] = ()) -> Reconciled:
        """Bring the turns in line, and answer. `cut` is the number of the first turn that goes."""
        edits: list[TurnEdit] = [edit for seq, edit in sorted(walk.edits.items()) if cut is None or seq < cut]
        if cut is not None and cut <= len(self._stored):
            edits.append(DroppedTurns(cut))
        known = {call.id for turn in self._stored for call in turn.calls}
        edits += [part.turn(self._modality) for part in told if part.text or not known.issuperset(_ids(part))]
        before = self._stored if walk.start >= len(self._turns) else self._stored[: self._turns[walk.start].seq - 1]
        if cut is not None:
            before = before[: cut - 1]
        earlier = messages_of(before) if walk.start else ()
        ending = {"silence": (SILENCE,), "continuation": (GO_ON,) if self._request.ask is None else ()}.get(kind, ())
        return Reconciled(kind, "generate", tuple(edits), (*earlier, *self._request.chat, *ending))

    def _kind(self, walk: Walk | None) -> Kind:
        """What a request without new words of the person is."""
        if self._request.tail == "tool":
            return "tool_result"
        if self._request.tail == "silence" or walk is None or not walk.at:
            return "silence"
        last = self._turns[walk.at - 1]
        edit = walk.edits.get(last.seq)
        is_cut = last.interrupted if edit is None else getattr(edit, "heard", "").strip() != last.generated.strip()
        return "continuation" if is_cut else "silence"

    def _answered(self, seq: int) -> int:
        """The number of the last turn that the request tells, or whose calls it answers: what it asks for comes after."""
        end = seq
        for turn in self._stored[seq:]:
            if turn.role == "user":
                break
            ids = {call.id for call in turn.calls}
            if ids and ids <= self._request.called:
                end = turn.seq
        return end

    def _called(self, ids: Collection[str]) -> Turn | None:
        """The last turn with one of these calls."""
        return next((turn for turn in reversed(self._stored) if any(call.id in ids for call in turn.calls)), None)

    def _reply_after(self, seq: int) -> Turn | None:
        return next((turn for turn in self._stored[seq:] if turn.role == "agent"), None)

    def _last_run(self) -> list[int]:
        """The places of what the person said last, without a word of the agent in between."""
        run: list[int] = []
        for place in reversed(self.persons):
            if run and run[0] != place + 1:
                break
            run.insert(0, place)
        return run

    def _seq(self, place: int | None) -> int | None:
        return self._turns[place].seq if place is not None and place < len(self._turns) else None

    def _partial(self) -> int | None:
        """The number of a reply at the end that was broken off."""
        return len(self._stored) if self._stored and _is_partial(self._stored[-1]) else None


def _is_partial(turn: Turn) -> bool:
    return turn.role == "agent" and turn.interrupted and turn.heard is None


def _ids(told: Told) -> set[str]:
    return {call.id for call in told.calls}


def _asks(ask: Run, texts: int) -> list[Told]:
    """What the person says now, without the first so many sayings."""
    return [Told("user", text) for text in ask.texts[texts:]]
