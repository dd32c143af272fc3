"""What Scribe's realtime socket is told and tells about one utterance. Pure.

Wire: https://elevenlabs.io/docs/api-reference/speech-to-text/v-1-speech-to-text-realtime and the `elevenlabs` library 2.78, read in November 2026.
"""

from __future__ import annotations

import base64
from collections import deque
from typing import Any

import msgspec

from voicemind.speech.audio import INPUT_RATE_HZ
from voicemind.speech.elevenlabs import Account
from voicemind.speech.hosted import audible

_SECOND = INPUT_RATE_HZ * 2
CHUNK = _SECOND // 10
"""Bytes that are worth a message: 100 ms."""
LARGEST_CHUNK = _SECOND
SHORTEST = _SECOND // 2
"""Half a second: the service commits nothing that is shorter than 0.3 s."""
COMMIT_AFTER = 30 * _SECOND
COMMIT_BY = 60 * _SECOND
"""A long speech is committed in a pause after half a minute, at the latest after a minute; the service does it by itself after 90 s, which would go unnoticed."""

_COMMITTED = frozenset({"committed_transcript", "final_transcript"})
_NOTHING = frozenset({"commit_throttled", "insufficient_audio_activity"})
"""There was too little to commit: an answer, without words."""
_ERRORS = frozenset(
    {
        "error",
        "auth_error",
        "quota_exceeded",
        "transcriber_error",
        "unaccepted_terms",
        "unaccepted_terms_error",
        "rate_limited",
        "input_error",
        "invalid_request",
        "queue_overflow",
        "resource_exhausted",
        "session_time_limit_exceeded",
        "chunk_size_exceeded",
    }
)


class Dictation:
    """The sound of one utterance and the words that it has become so far; survives the socket that it is told over.

    Sound whose words are not committed is kept, at most a minute and what has not been sent, so that another socket can be told it again.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._sound = bytearray()
        self._sent = 0
        self._marks: deque[int] = deque()
        self._committed: list[str] = []
        self._seen = {""}
        self._partial = ""
        self._partial_at = 0
        self.ended = False
        self._asked_last = False

    @property
    def text(self) -> str:
        """The words so far."""
        return " ".join(words for words in (*self._committed, self._partial) if words)

    @property
    def over(self) -> bool:
        """Whether everything that was said is committed."""
        return self._asked_last and not self._marks

    @property
    def is_nearly_whole(self) -> bool:
        """Whether the words are about all but the last half second, of what has ended."""
        return bool(self.text) and self.ended and len(self._sound) - self._partial_at <= SHORTEST + CHUNK

    @property
    def has_sound(self) -> bool:
        """Whether there is any."""
        return bool(self._sound) or bool(self._committed)

    def add(self, samples: bytes) -> None:
        """More sound."""
        self._sound += samples

    def end(self) -> None:
        """No more sound follows; what is too short to be committed is followed by silence."""
        self.ended = True
        if len(self._sound) % 2:
            self._sound.append(0)
        self._sound += bytes(max(0, SHORTEST - len(self._sound)))

    def again(self) -> None:
        """Another socket is told everything that is not committed."""
        self._sent = 0
        self._marks.clear()
        self._partial_at = 0
        self._asked_last = False

    def next_message(self) -> str | None:
        """What is to be sent now; None as long as there is too little."""
        waiting = len(self._sound) - self._sent
        if self._asked_last or (waiting < CHUNK and not self.ended):
            return None
        chunk = bytes(self._sound[self._sent : self._sent + min(waiting - waiting % 2, LARGEST_CHUNK)])
        self._sent += len(chunk)
        is_last = self.ended and self._sent >= len(self._sound)
        uncommitted = self._sent - (self._marks[-1] if self._marks else 0)
        commits = is_last or uncommitted >= COMMIT_BY or (uncommitted >= COMMIT_AFTER and not audible(chunk[-CHUNK:]))
        if commits:
            self._marks.append(self._sent)
        self._asked_last = is_last
        return msgspec.json.encode(
            {
                "message_type": "input_audio_chunk",
                "audio_base_64": base64.b64encode(chunk).decode(),
                "commit": commits,
                "sample_rate": INPUT_RATE_HZ,
            }
        ).decode()

    def hear(self, message: dict[str, Any]) -> None:
        """Take in what the service says. Raises Failed for an error.

        A partial that was heard before is an old one come again, which the service sends once a second and after a commit: it is left out.
        """
        kind, text = str(message.get("message_type", "")), message.get("text")
        if kind == "partial_transcript" and isinstance(text, str):
            if text not in self._seen:
                self._seen.add(text)
                self._partial, self._partial_at = text.strip(), self._sent
        elif kind in _COMMITTED and isinstance(text, str):
            self._commit(text.strip())
        elif kind in _NOTHING and self._marks:
            self._commit("")
        elif kind in _ERRORS:
            raise self._account.told(kind)

    def _commit(self, words: str) -> None:
        self._committed.append(words)
        self._partial = ""
        if not self._marks:  # by the service itself
            self._partial_at = self._sent
            return
        done = self._marks.popleft()
        del self._sound[:done]
        self._sent -= done
        self._partial_at = 0
        self._marks = deque(mark - done for mark in self._marks)
