"""Signed messages of a voice platform: which secret made a signature, over which bytes, and when.

The form is that of ElevenLabs' webhooks (their documentation "Webhooks" and the PyPI package elevenlabs 2.78.0, `webhooks_custom.py`): a header
`ElevenLabs-Signature: t=<unix seconds>,v0=<hex>`, where the digest is HMAC-SHA256 of `<t>.<body>` under the shared secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from voicemind.errors import Misconfigured

HEADER = "ElevenLabs-Signature"
SETTING = "VOICEMIND_ELEVENLABS_WEBHOOK_SECRET"
TOLERANCE_S = 30 * 60
"""How far a signature's time may be from ours, before or after."""

MIN_SECRET_CHARS = 16
MAX_HEADER_CHARS = 2_000
MAX_DIGESTS = 16
_STAMP = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a header says: the time as it is written, and the digests, any of which may be the right one (secrets are changed)."""

    stamp: str
    digests: tuple[str, ...]

    def is_fresh(self, now_s: float) -> bool:
        """Whether it was signed within the tolerance, which holds for the future too."""
        return abs(now_s - int(self.stamp)) <= TOLERANCE_S


def claim(header: str) -> Claim | None:
    """Read a header; None where it says nothing that could be checked. Spaces around its parts and parts of other names do not matter."""
    if len(header) > MAX_HEADER_CHARS:
        return None
    stamps: list[str] = []
    digests: list[str] = []
    for part in header.split(","):
        name, _, value = part.strip(" \t").partition("=")
        if name == "t" and _STAMP.fullmatch(value):
            stamps.append(value)
        elif name == "t":
            return None
        elif name == "v0" and _DIGEST.fullmatch(value):
            digests.append(value)
    if len(stamps) != 1 or not 1 <= len(digests) <= MAX_DIGESTS:
        return None
    return Claim(stamps[0], tuple(digests))


def sign(secret: str, body: bytes, *, at_s: int) -> str:
    """The header's value for this body, signed at that second."""
    return f"t={at_s},v0={_hash(secret, str(at_s), body).hexdigest()}"


def verify(secret: str, body: bytes, *, header: str, now_s: float) -> bool:
    """Whether the header is fresh and was made for this body with this secret."""
    said = claim(header)
    if said is None or not said.is_fresh(now_s):
        return False
    check = Check(said, [("", secret)])
    check.feed(body)
    return check.made() is not None


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that is right, and whose it is."""

    tenant: str
    stamp: str
    digest: str


class Check:
    """Checks a claim against a body that comes in pieces, so that the body need not be kept."""

    def __init__(self, said: Claim, secrets: Sequence[tuple[str, str]]) -> None:
        self._said = said
        self._hashes = [(tenant, _hash(secret, said.stamp)) for tenant, secret in secrets]

    def feed(self, piece: bytes) -> None:
        """The next piece of the body."""
        for _, hashed in self._hashes:
            hashed.update(piece)

    def made(self) -> Signature | None:
        """The signature of what was fed; None where no secret of ours made any. Takes the same time whichever digest is nearly right."""
        found = None
        for tenant, hashed in self._hashes:
            right = hashed.hexdigest()
            for digest in self._said.digests:
                if hmac.compare_digest(digest, right):
                    found = Signature(tenant, self._said.stamp, digest)
        return found


class Secrets:
    """The secrets of `tenant:secret,tenant2:secret2`; a secret without a tenant belongs to the only one there is.

    One tenant may have several, while they are being changed. `tenants` are those who can read anything here.
    Raises Misconfigured where the text is something else.
    """

    def __init__(self, text: str, *, tenants: Collection[str]) -> None:
        self._owned: list[tuple[str, str]] = []
        for pair in filter(None, (part.strip() for part in text.split(","))):
            tenant, _, secret = pair.rpartition(":")
            tenant, secret = tenant.strip(), secret.strip()
            if not tenant and len(tenants) != 1:
                raise _unusable("a secret does not say whose it is")
            if tenant and tenant not in tenants:
                raise _unusable("a secret belongs to a tenant that has no key")
            if len(secret) < MIN_SECRET_CHARS:
                raise _unusable("a secret is too short")
            self._owned.append((tenant or next(iter(tenants)), secret))

    def __bool__(self) -> bool:
        return bool(self._owned)

    def check(self, said: Claim) -> Check:
        """A check of this claim against all of them."""
        return Check(said, self._owned)


class Seen:
    """The newest `limit` things that were seen."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    def __contains__(self, thing: Hashable) -> bool:
        return thing in self._seen

    def add(self, *things: Hashable) -> None:
        """Remember these; the oldest are forgotten."""
        for thing in things:
            self._seen[thing] = None
            self._seen.move_to_end(thing)
        while len(self._seen) > self._limit:
            self._seen.popitem(last=False)


def _hash(secret: str, stamp: str, body: bytes = b"") -> hmac.HMAC:
    return hmac.new(secret.encode("utf-8", "surrogateescape"), stamp.encode() + b"." + body, hashlib.sha256)


def _unusable(problem: str) -> Misconfigured:
    accepted = f"the secret, or tenant:secret,tenant2:secret2, with secrets of {MIN_SECRET_CHARS} characters or more"
    return Misconfigured(SETTING, problem, accepted=accepted)
