"""However reflections are claimed, lost, repeated and raced, the versions of a mind stay one unbroken chain."""

import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import anyio.from_thread
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from tests.reflecting import finish

from voicemind.errors import StaleVersion
from voicemind.store.sql import SqlStore
from voicemind.store.values import Entry, Evidence, MindKey, Reflection

T = TypeVar("T")
KEYS = (MindKey("acme", "counsellor", "anna"), MindKey("globex", "counsellor", "anna"))


class Versions(RuleBasedStateMachine):
    """A model of two minds (their versions in order, what is done) beside the real store."""

    running = Bundle("running")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.portal_context = anyio.from_thread.start_blocking_portal()
        self.portal = self.portal_context.__enter__()
        self.store = self.portal.call(self._started)
        self.versions: dict[MindKey, list[dict[str, tuple[Entry, ...]]]] = {}
        self.done: dict[str, Reflection] = {}
        self.talks = 0
        self.entries = 0

    async def _started(self) -> SqlStore:
        store = SqlStore(f"sqlite:///{Path(self.folder.name) / 'voicemind.db'}")
        await store.start()
        return store

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        async def wait() -> T:
            with anyio.fail_after(20):
                return await work

        return self.portal.call(wait)

    @rule(key=st.sampled_from(KEYS))
    def end_a_talk(self, key: MindKey) -> None:
        self.talks += 1
        name = f"talk-{self.talks}"
        self._do(self.store.open_conversation(key, name, user_id="anna", channel="chat"))
        self._do(self.store.end_conversation(key, name))
        self.versions.setdefault(key, [{}])

    @rule(target=running, lease_s=st.sampled_from([0.0, 3600.0]))
    def claim(self, lease_s: float) -> Any:
        claimed = self._do(self.store.claim_reflection("worker", lease_s=lease_s))
        if claimed is None:
            return multiple()
        assert claimed.id not in self.done
        return claimed

    @rule(reflection=running, behind=st.sampled_from([0, 0, 0, 1, -1]), learned=st.sampled_from([0, 1, 2, None]))
    def finish(self, reflection: Reflection, behind: int, learned: int | None) -> None:
        chain = self.versions[reflection.key]
        parent = len(chain) - behind
        blocks = None if learned is None else {**chain[-1], "memory": self._grown(chain[-1], learned, reflection)}
        work = finish(self.store, reflection, parent=parent, blocks=blocks, notes="")
        if reflection.id in self.done:
            assert self._do(work) == self.done[reflection.id]
            return
        if behind:
            try:
                self._do(work)
            except StaleVersion:
                return
            raise AssertionError("a version was written on one that is not the newest")
        finished = self._do(work)
        if blocks is not None:
            chain.append(blocks)
        assert (finished.status, finished.before, finished.after) == ("done", parent, len(chain))
        self.done[reflection.id] = finished

    def _grown(self, blocks: dict[str, tuple[Entry, ...]], learned: int, reflection: Reflection) -> tuple[Entry, ...]:
        fresh = []
        for _ in range(learned):
            self.entries += 1
            evidence = Evidence(reflection.conversation_id, 1, f"quote {self.entries}")
            fresh.append(Entry(f"entry-{self.entries}", f"Fact {self.entries}", (evidence,)))
        return (*blocks.get("memory", ()), *fresh)

    @rule(reflection=consumes(running), delay_s=st.sampled_from([0.0, None]))
    def postpone(self, reflection: Reflection, delay_s: float | None) -> None:
        self._do(self.store.postpone_reflection(reflection, error="timeout", delay_s=delay_s))

    @invariant()
    def the_chain_is_whole(self) -> None:
        for key, chain in getattr(self, "versions", {}).items():
            for number, blocks in enumerate(chain, start=1):
                stored = self._do(self.store.mind_version(key, number))
                assert stored is not None
                assert stored.blocks == blocks
            newest = self._do(self.store.mind(key))
            assert newest is not None
            assert newest.number == len(chain)
            assert self._do(self.store.mind_version(key, len(chain) + 1)) is None
        for reflection in getattr(self, "done", {}).values():
            assert self._do(self.store.reflection(reflection.key.tenant, reflection.conversation_id)) == reflection

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.portal.call(self.store.aclose)
            self.portal_context.__exit__(None, None, None)
            self.folder.cleanup()


TestVersions = Versions.TestCase
TestVersions.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
