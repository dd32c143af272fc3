"""What is counted: parts that add up, labels from closed sets, and a watch that sees a blocked loop."""

import math
import resource
import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from voicemind.channels.metrics import route_of
from voicemind.errors import ProviderUnavailable
from voicemind.ops import metrics, vitals
from voicemind.ops.vitals import Alarms, Vitals

PARTS = ("endpoint", "heard", "thought_first", "spoke_first")


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


@given(st.lists(st.floats(0, 1e5), min_size=4, max_size=4), st.sets(st.sampled_from(PARTS)))
def test_the_parts_of_a_turn_add_up_to_its_time(numbers: list[float], known: set[str]) -> None:
    timings = {name: ms for name, ms in zip(PARTS, sorted(numbers), strict=True) if name in known}
    parts = metrics.parts_ms(timings)
    total = parts.pop("total", None)
    assert sum(parts.values()) == pytest.approx(max(timings.values(), default=0.0))
    assert total == timings.get("spoke_first")
    assert all(ms >= 0 for ms in parts.values())


def test_what_is_told_can_be_read_by_a_prometheus() -> None:
    metrics.failed(ProviderUnavailable("It does not answer.", provider="scripted"))
    told = metrics.told().decode()
    families = {family.name: family for family in text_string_to_metric_families(told)}
    assert "voicemind_provider_errors" in families
    assert "voicemind_turn_seconds" in families
    assert all(family.documentation for family in families.values())


@pytest.mark.parametrize(
    "path", ["/api/v1/users/My%20cat%20is%20Quillonbert", "/zanzibaria", "/v1/../../etc/passwd", ""]
)
def test_no_address_becomes_a_label(path: str) -> None:
    assert route_of(path) in {"rest", "page", "other_v1"}


@pytest.mark.anyio
async def test_a_blocked_loop_is_an_alarm_and_no_crash() -> None:
    before = value("voicemind_alarms_total", kind="loop")
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Vitals(Alarms(look_every_s=0.01, lag_s=0.2)).run)
            await anyio.sleep(0.03)  # it has begun to look
            time.sleep(0.5)  # noqa: ASYNC251 - this is what blocks
            while value("voicemind_alarms_total", kind="loop") == before:  # noqa: ASYNC110 - asked as a Prometheus would
                await anyio.sleep(0.01)
            while value("voicemind_loop_lag_seconds") > 0.2:  # noqa: ASYNC110 - the same
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert value("voicemind_open_fds") > 2
    assert value("voicemind_max_fds") == vitals.most_files()


@pytest.mark.anyio
async def test_descriptors_that_run_low_are_told_once_and_again_when_they_suffice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = value("voicemind_alarms_total", kind="files")
    counts = iter([10, 85, 90, 95, 20, 90])
    looked = anyio.Event()

    def count() -> int:
        left = next(counts, None)
        if left is None:
            looked.set()
        return left or 10

    monkeypatch.setattr(vitals, "open_files", count)
    monkeypatch.setattr(vitals, "most_files", lambda: 100)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Vitals(Alarms(look_every_s=0.001, lag_s=60)).run)
            await looked.wait()
            tasks.cancel_scope.cancel()
    assert value("voicemind_alarms_total", kind="files") - before == 2
    assert capsys.readouterr().out.count("descriptors run low") == 2


def test_descriptors_without_a_limit_are_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert vitals.most_files() == math.inf
    before = value("voicemind_alarms_total", kind="files")
    vitals.Vitals()._look(0.0)
    assert value("voicemind_alarms_total", kind="files") == before
    assert "voicemind_max_fds +Inf" in metrics.told().decode()
    monkeypatch.setattr(vitals, "_OPEN", "/nowhere")
    assert vitals.open_files() == 0


@pytest.mark.anyio
async def test_vitals_that_cannot_be_read_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def unreadable() -> float:
        tries.append(1)
        raise ValueError("a bug")

    monkeypatch.setattr(vitals, "most_files", unreadable)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Vitals(Alarms(look_every_s=0.001)).run)
            while len(tries) < 3:  # noqa: ASYNC110 - it looks by itself
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
