"""What the interface needs of the house; this file and `entrance` are loaded when the server starts, the others with the first request."""

from __future__ import annotations

from dataclasses import dataclass

from voicemind.conversation.ending import Endings
from voicemind.conversation.erasing import Erasing
from voicemind.conversation.meetings import Meetings
from voicemind.conversation.recording import Recordings
from voicemind.conversation.reviewing import Reviews
from voicemind.mind.edits import Edits
from voicemind.mind.roster import Roster
from voicemind.store.contract import Store


@dataclass(frozen=True, slots=True)
class Rooms:
    """Who does the work."""

    store: Store
    roster: Roster
    edits: Edits
    endings: Endings
    reviews: Reviews
    meetings: Meetings
    erasing: Erasing
    recordings: Recordings
