"""What is kept of sessions that are over is little, and not for long."""

from __future__ import annotations

from voicemind.channels.browser.epilogue import Epilogue, Epilogues, Whose
from voicemind.channels.browser.outbox import Outbox
from voicemind.clock import monotonic_s


def ended(name: str, *, frames: int = 1, for_s: float = 60) -> Epilogue:
    """A session that said so much of 100 bytes each."""
    outbox = Outbox()
    for _ in range(frames):
        outbox.put(bytes(100))
    return Epilogue(Whose(name, "t", "c"), "secret", outbox, 1000, monotonic_s() + for_s)


def test_only_the_newest_are_kept() -> None:
    epilogues = Epilogues(most=2, most_bytes=10_000)
    for name in "abc":
        epilogues.keep(ended(name))
    assert [name for name in "abc" if epilogues.of(name)] == ["b", "c"]


def test_together_they_are_bounded() -> None:
    epilogues = Epilogues(most=10, most_bytes=1_000)
    for name in "abc":
        epilogues.keep(ended(name, frames=4))
    assert [name for name in "abc" if epilogues.of(name)] == ["b", "c"]


def test_what_has_arrived_and_what_is_too_late_goes() -> None:
    epilogues = Epilogues(most=10, most_bytes=1_000)
    arrived = ended("a")
    epilogues.keep(arrived)
    epilogues.keep(ended("b", for_s=0))
    epilogues.keep(ended("c"))
    arrived.outbox.ack(1)
    assert [name for name in "abc" if epilogues.of(name)] == ["c"]
    assert len(epilogues) == 1


def test_after_an_erasure_nothing_is_left() -> None:
    epilogues = Epilogues(most=10, most_bytes=1_000)
    epilogues.keep(ended("a"))
    epilogues.forget_all()
    assert epilogues.of("a") is None
