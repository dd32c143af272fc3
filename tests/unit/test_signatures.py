"""Signed webhooks: ours are theirs, and nothing that was altered passes."""

import json
import time
from typing import Any

import pytest
from elevenlabs.client import ElevenLabs
from elevenlabs.errors import BadRequestError
from hypothesis import given
from hypothesis import strategies as st
from tests.calling import SECRET

from voicemind.errors import Misconfigured
from voicemind.ops.signatures import TOLERANCE_S, Secrets, Seen, claim, sign, verify

NOW = 1_750_000_000
BODY = b'{"type": "post_call_transcription", "data": {}}'
OTHER = "wsec_another-secret-of-theirs"
OFFICIAL = ElevenLabs(api_key="none").webhooks

bodies = st.binary(max_size=200)
stamps = st.integers(0, 10**11)


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5), st.text("abc-_", min_size=16))
def test_the_official_sdk_accepts_what_we_sign(content: Any, secret: str) -> None:
    body = json.dumps({"data": content}, ensure_ascii=False).encode("utf-8", "replace")
    header = sign(secret, body, at_s=int(time.time()))
    told = OFFICIAL.construct_event(rawBody=body.decode(), sig_header=header, secret=secret)
    assert told == json.loads(body)
    assert verify(secret, body, header=header, now_s=time.time())


def test_the_official_sdk_and_we_refuse_the_same() -> None:
    now = int(time.time())
    good = sign(SECRET, BODY, at_s=now)
    for header, body in [
        (good, BODY + b" "),
        (good[:-1] + ("0" if good[-1] != "0" else "1"), BODY),
        (sign(OTHER, BODY, at_s=now), BODY),
        (sign(SECRET, BODY, at_s=now - TOLERANCE_S - 5), BODY),
        (good.replace("v0=", "v1="), BODY),
        (good.partition(",")[2], BODY),
        ("", BODY),
    ]:
        assert not verify(SECRET, body, header=header, now_s=now)
        with pytest.raises(BadRequestError):
            OFFICIAL.construct_event(rawBody=body.decode(), sig_header=header, secret=SECRET)


@given(bodies, stamps, st.integers(-TOLERANCE_S, TOLERANCE_S))
def test_what_was_signed_is_accepted_for_half_an_hour_around(body: bytes, at_s: int, off: int) -> None:
    assert verify(SECRET, body, header=sign(SECRET, body, at_s=at_s), now_s=at_s + off)


@given(bodies, stamps, st.integers(TOLERANCE_S + 1, 10**9), st.sampled_from([1, -1]))
def test_what_is_old_or_of_the_future_is_refused(body: bytes, at_s: int, off: int, side: int) -> None:
    assert not verify(SECRET, body, header=sign(SECRET, body, at_s=at_s), now_s=at_s + side * off)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_body_with_one_byte_changed_is_refused(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(1, 255))
    changed = body[:at] + bytes([body[at] ^ other]) + body[at + 1 :]
    assert not verify(SECRET, changed, header=sign(SECRET, body, at_s=NOW), now_s=NOW)


@given(stamps, st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=16), st.data())
def test_a_header_is_read_with_spaces_and_other_parts_anywhere(
    stamp: int, digests: list[str], data: st.DataObject
) -> None:
    parts = [f"t={stamp}", *(f"v0={digest}" for digest in digests), "v1=deadbeef", "x"]
    shuffled = data.draw(st.permutations(parts))
    space = data.draw(st.sampled_from(["", " ", "  ", "\t"]))
    said = claim(f",{space}".join(shuffled))
    assert said is not None
    assert said.stamp == str(stamp)
    assert sorted(said.digests) == sorted(digests)


@given(st.text(max_size=120) | st.text("tv0=,1a ", max_size=120))
def test_any_header_is_read_or_refused(header: str) -> None:
    said = claim(header)
    assert said is None or (said.stamp.isascii() and said.stamp.isdigit() and said.digests)
    assert not verify(SECRET, BODY, header=header, now_s=NOW)


@pytest.mark.parametrize(
    "header",
    [
        "t=1,t=2,v0=" + "a" * 64,
        "t=١,v0=" + "a" * 64,
        "t=-1,v0=" + "a" * 64,
        "t=1",
        "v0=" + "a" * 64,
        "t=1,v0=" + "A" * 64,
        "t=1," + ",".join(["v0=" + "a" * 64] * 17),
        "t=1,v0=" + "a" * 64 + "," + "x" * 2000,
    ],
)
def test_a_header_that_could_mean_two_things_or_nothing_is_refused(header: str) -> None:
    assert claim(header) is None


def test_any_of_several_digests_and_secrets_may_be_the_right_one() -> None:
    secrets = Secrets(f"acme:{SECRET}, acme:{OTHER},globex:wsec_of-somebody-else", tenants=["acme", "globex"])
    old, new = sign(SECRET, BODY, at_s=NOW), sign(OTHER, BODY, at_s=NOW)
    for header in (new, f"{new}, {old.partition(',')[2]}", f"t={NOW}, v0={'0' * 64}, {old.partition(',')[2]}"):
        said = claim(header)
        assert said is not None
        check = secrets.check(said)
        check.feed(BODY[:7])
        check.feed(BODY[7:])
        made = check.made()
        assert made is not None
        assert made.tenant == "acme"


def test_a_secret_without_a_tenant_is_that_of_the_only_one() -> None:
    said = claim(sign(SECRET, BODY, at_s=NOW))
    assert said is not None
    check = Secrets(SECRET, tenants=["acme"]).check(said)
    check.feed(BODY)
    made = check.made()
    assert made is not None
    assert made.tenant == "acme"
    assert not Secrets(" , ", tenants=["acme"])


@pytest.mark.parametrize(
    ("text", "tenants"),
    [
        ("wsec_canary", ["acme"]),
        ("acme:wsec_canary", ["acme"]),
        (f"{SECRET}-canary", ["acme", "globex"]),
        (f"hooli:{SECRET}-canary", ["acme"]),
        ("acme:", ["acme"]),
    ],
)
def test_a_secret_that_is_none_stops_the_start_and_is_not_shown(text: str, tenants: list[str]) -> None:
    with pytest.raises(Misconfigured, match=r"VOICEMIND_ELEVENLABS_WEBHOOK_SECRET.*accepted: ") as error:
        Secrets(text, tenants=tenants)
    assert "canary" not in str(error.value)


def test_what_was_seen_is_forgotten_when_there_is_too_much_of_it() -> None:
    seen = Seen(limit=2)
    seen.add("a", "b")
    seen.add("a")
    seen.add("c")
    assert [thing in seen for thing in "abc"] == [True, False, True]
