"""Versions of minds as ETags, so that nobody overwrites what they have not seen."""

from __future__ import annotations

import re
from datetime import UTC
from hashlib import blake2b
from typing import Annotated

import msgspec
from fastapi import Header

from voicemind.errors import BadRequest, ClientMistake
from voicemind.store.values import MindVersion

IfMatch = Annotated[
    str | None,
    Header(
        description='The ETag of the version that the change was made from, or its number as in `"v3"`; without it, the newest.'
    ),
]
_TAG = re.compile(r'\s*(?P<tag>(W/)?"[\x21\x23-\x7e]*")\s*(,|$)')


class Stale(ClientMistake):
    """The mind is not at the version that `If-Match` names; `newest` is the one that it is at, None where there is no such mind."""

    code = "stale_version"
    status = 412

    def __init__(self, newest: MindVersion | None) -> None:
        now = f"The mind is at version {newest.number} now." if newest else "There is no such mind."
        super().__init__(f"{now} Read it again, and make your change anew." if newest else now)
        self.newest = newest


def etag(version: MindVersion) -> str:
    """The ETag of a version: its number, and a digest of when it was made and which entries it holds, since a mind that was erased may begin again at 1."""
    held = sorted((label, [entry.id for entry in block]) for label, block in version.blocks.items())
    told = msgspec.json.encode((version.created_at.astimezone(UTC), held))
    return f'"v{version.number}-{blake2b(told, digest_size=6).hexdigest()}"'


def expected(if_match: str | None, newest: MindVersion | None) -> int | None:
    """The version that the change must be made from; None where any will do. RFC 9110 §13.1.1: by strong comparison.

    A person may name the number alone, as in `"v3"`. Raises Stale where it is not the newest, or where something is expected of a mind that
    does not exist; BadRequest for what is no such header.
    """
    if if_match is None:
        return None
    if if_match.strip() == "*":
        if newest is None:
            raise Stale(None)
        return None
    tags: list[str] = []
    at = 0
    while at < len(if_match):
        found = _TAG.match(if_match, at)
        if found is None:
            break
        tags.append(found["tag"])
        at = found.end()
    if at < len(if_match) or not tags:
        raise BadRequest('If-Match holds ETags in quotation marks, as in "v3".', param="If-Match")
    if newest is None or not {etag(newest), f'"v{newest.number}"'} & set(tags):
        raise Stale(newest)
    return newest.number
