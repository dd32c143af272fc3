"""Versions of minds as ETags, so that nobody overwrites what they have not seen."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from voicemind.errors import BadRequest, ClientMistake

IfMatch = Annotated[
    str | None,
    Header(description='The ETag of the version that the change was made from, as in `"v3"`; without it, the newest.'),
]
_TAG = re.compile(r'\s*(?P<tag>(W/)?"[\x21\x23-\x7e]*")\s*(,|$)')


class Stale(ClientMistake):
    """The mind is not at the version that `If-Match` names; `number` is the one that it is at."""

    code = "stale_version"
    status = 412

    def __init__(self, number: int) -> None:
        super().__init__(f"The mind is at version {number} now. Read it again, and make your change anew.")
        self.number = number


def etag(number: int) -> str:
    """The ETag of a version."""
    return f'"v{number}"'


def expected(if_match: str | None, newest: int) -> int | None:
    """The version that the change must be made from; None where any will do. RFC 9110 §13.1.1: by strong comparison.

    Raises Stale where it is not the newest, BadRequest for what is no such header.
    """
    if if_match is None or if_match.strip() == "*":
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
    if etag(newest) not in tags:
        raise Stale(newest)
    return newest
