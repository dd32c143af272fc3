"""Every error of our own, arranged by who must act.

    VoicemindError
    ├── ClientMistake            tell the peer and keep serving
    │   ├── BadRequest           a field is missing, of the wrong type or out of range (names the field)
    │   ├── BadMessage           one socket message could not be used
    │   ├── BadAudio             bytes that are not the audio they claim to be
    │   ├── TooLarge             over a size limit
    │   ├── Unauthenticated      no key, or a wrong one
    │   ├── Forbidden            a foreign host or origin
    │   ├── UnknownAgent         no such agent
    │   ├── UnknownConversation  no such conversation (or another tenant's)
    │   ├── UnknownSession       no live session to go on with (or not this caller's)
    │   ├── MissedTooMuch        a live session that has said more since than it keeps
    │   ├── UnknownMind          no such mind, version or entry
    │   ├── UnknownMeeting       no such meeting
    │   ├── UnknownUser          no such person
    │   ├── InMeeting            the agent is in another live meeting (names it)
    │   ├── NotWaiting           a reflection that is not in the state for this
    │   ├── ConversationOver     the conversation has already ended
    │   ├── Superseded           a newer request of the same conversation took this one's place
    │   ├── NotRolledOut         this person may not talk in real time yet
    │   ├── TooFast              one socket sends more than anybody can say
    │   └── Busy                 at capacity, with a time to come back
    │       ├── TooOften         more requests than this caller may send
    │       ├── AllTalking       every place for a session is taken
    │       └── Stopping         the server takes nobody in any more
    ├── ProviderError            a model or a service failed
    │   ├── ProviderUnavailable  trying again may help
    │   └── ProviderRefused      trying again will not help
    │       └── UpstreamAuth     a service does not accept our key
    ├── StaleVersion             somebody wrote a newer version of the mind first
    ├── StaleTranscript          the conversation has other turns by now
    ├── StorageUnavailable       the database cannot take or give anything now
    └── Misconfigured            at start only: names the setting and the accepted values

`str(error)` never holds what a person said. `code` is stable: it goes to clients and metrics.
"""

from __future__ import annotations

from collections.abc import Iterator


class VoicemindError(Exception):
    """The root of all errors that Voicemind raises on purpose."""

    code = "internal_error"
    status = 500


class ClientMistake(VoicemindError):
    """The peer sent something that cannot be served; `param` names the field where there is one."""

    code = "invalid_request"
    status = 400

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class BadRequest(ClientMistake):
    """A field is missing, has the wrong type or is out of range."""


class BadMessage(ClientMistake):
    """One socket message could not be used; the conversation goes on."""

    code = "bad_message"


class BadAudio(ClientMistake):
    """Bytes that are not the audio they claim to be."""

    code = "bad_audio"
    status = 415


class TooLarge(ClientMistake):
    """Over a size limit."""

    code = "too_large"
    status = 413


class Unauthenticated(ClientMistake):
    """No key was given, or none that we know."""

    code = "invalid_api_key"
    status = 401


class Forbidden(ClientMistake):
    """The request names a host or an origin that may not speak to this server."""

    code = "forbidden"
    status = 403


class UnknownAgent(ClientMistake):
    """There is no agent of that name."""

    code = "model_not_found"
    status = 404


class UnknownConversation(ClientMistake):
    """There is no conversation of that id for this tenant."""

    code = "conversation_not_found"
    status = 404


class UnknownSession(ClientMistake):
    """There is no session that this caller could go on with; whether it ever existed is not said."""

    code = "session_not_found"
    status = 404


class MissedTooMuch(UnknownSession):
    """The session is there, but no longer keeps all that its client has missed."""

    code = "missed_too_much"


class UnknownMind(ClientMistake):
    """There is no mind, version or entry of that name for this tenant."""

    code = "mind_not_found"
    status = 404


class UnknownMeeting(ClientMistake):
    """There is no meeting of that id for this tenant."""

    code = "meeting_not_found"
    status = 404


class UnknownUser(ClientMistake):
    """There is no person of that id for this tenant."""

    code = "user_not_found"
    status = 404


class InMeeting(ClientMistake):
    """An agent is in one live meeting at a time; `meeting_id` is the one that it is in."""

    code = "in_another_meeting"
    status = 409

    def __init__(self, message: str, *, meeting_id: str) -> None:
        super().__init__(message)
        self.meeting_id = meeting_id


class NotWaiting(ClientMistake):
    """The reflection is not in the state that this needs."""

    code = "not_waiting"
    status = 409


class ConversationOver(ClientMistake):
    """The conversation has ended; nothing can be added to it."""

    code = "already_ended"
    status = 409


class Superseded(ClientMistake):
    """A newer request of the same conversation took this one's place; its answer was stopped."""

    code = "superseded"
    status = 409


class NotRolledOut(ClientMistake):
    """Talking in real time is not open to this person yet."""

    code = "not_rolled_out"
    status = 403


class TooFast(ClientMistake):
    """One socket sends more than anybody can say."""

    code = "rate_limited"
    status = 429


class Busy(ClientMistake):
    """At capacity; `retry_after_s` says when to come back."""

    code = "at_capacity"
    status = 503

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooOften(Busy):
    """This caller sends more requests than it may."""

    code = "rate_limit_exceeded"
    status = 429


class AllTalking(Busy):
    """Every place for a session is taken, and so is the queue before them, or it took too long."""

    code = "busy"


class Stopping(Busy):
    """The server finishes what is being said and takes nobody in any more."""

    code = "draining"


class ProviderError(VoicemindError):
    """A model or a service failed; `provider` is its name."""

    code = "provider_error"
    status = 503

    def __init__(self, message: str, *, provider: str) -> None:
        super().__init__(message)
        self.provider = provider


class ProviderUnavailable(ProviderError):
    """The provider cannot answer now; trying again may help."""

    code = "provider_unavailable"


class ProviderRefused(ProviderError):
    """The provider will not do this, however often it is asked."""

    code = "provider_refused"


class UpstreamAuth(ProviderRefused):
    """A service does not accept the key that this server has for it."""

    code = "upstream_auth"
    status = 502


class StaleVersion(VoicemindError):
    """The mind has a newer version than the one this change was made from."""

    code = "stale_version"
    status = 409


class StaleTranscript(VoicemindError):
    """The conversation has other turns than those this change was made from."""

    code = "stale_transcript"
    status = 409


class StorageUnavailable(VoicemindError):
    """The database cannot take or give anything now; nothing unstored is acknowledged."""

    code = "storage_unavailable"
    status = 503


class Misconfigured(VoicemindError):
    """A setting stops the start. `setting` is its name, `accepted` says what would be right."""

    code = "misconfigured"

    def __init__(self, setting: str, problem: str, *, accepted: str = "") -> None:
        super().__init__(f"{setting}: {problem}" + (f" (accepted: {accepted})" if accepted else ""))
        self.setting = setting
        self.accepted = accepted


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors inside a group of a task group's, however deep."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)  # pyright: ignore[reportUnknownArgumentType] - isinstance forgets what is inside
        else:
            yield error
