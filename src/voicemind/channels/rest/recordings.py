"""`/conversations/…/recording`: the sound of a conversation as a file, where in it each turn is, and its outline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from voicemind.channels.rest.described import ANSWERS, files
from voicemind.channels.rest.strict import Shape, StrictRoute
from voicemind.channels.rest.visit import Here, PathId

router = APIRouter(route_class=StrictRoute, tags=["conversations"], responses=ANSWERS)
FILE_NAME = "conversation.wav"


class PlaceShape(Shape):
    """Where in the recording a turn is, in milliseconds from its beginning."""

    turn: int
    role: Literal["user", "agent"]
    start_ms: int
    end_ms: int


class RecordingShape(Shape):
    """How long the recording is, and where its turns are, by their number."""

    duration_ms: int
    turns: Sequence[PlaceShape]


class OutlineShape(Shape):
    """Least and greatest value of each side (left the person, right the agent), point after point: `length` points of `samples_per_pixel` samples."""

    version: int
    channels: int
    sample_rate: int
    samples_per_pixel: int
    bits: int
    length: int
    data: Sequence[int]


@router.get(
    "/conversations/{conversation_id}/recording",
    response_class=FileResponse,
    responses=files("The person left, the agent right, 16 kHz. Ranges of bytes can be asked for.", "audio/wav"),
)
async def read_recording(here: Here, conversation_id: PathId) -> FileResponse:
    """The sound, as far as it has come."""
    shelf, name = await here.rooms.recordings.find(here.tenant, conversation_id)
    return FileResponse(
        shelf.wav(name), media_type="audio/wav", filename=FILE_NAME, headers={"Cache-Control": "private, no-store"}
    )


@router.get("/conversations/{conversation_id}/recording/turns")
async def read_recorded_turns(here: Here, conversation_id: PathId) -> RecordingShape:
    """Where in the recording each turn is."""
    shelf, name = await here.rooms.recordings.find(here.tenant, conversation_id)
    told = await anyio.to_thread.run_sync(lambda: (shelf.duration_ms(name), shelf.places(name)))
    return RecordingShape(duration_ms=told[0], turns=[PlaceShape.model_validate(place) for place in told[1]])


@router.get("/conversations/{conversation_id}/recording/peaks", response_class=Response, response_model=OutlineShape)
async def read_peaks(here: Here, conversation_id: PathId) -> Response:
    """The outline of both sides, in audiowaveform's JSON format."""
    shelf, name = await here.rooms.recordings.find(here.tenant, conversation_id)
    content = await anyio.to_thread.run_sync(shelf.outline, name)
    return Response(content, media_type="application/json")


@router.delete("/conversations/{conversation_id}/recording", status_code=204)
async def erase_recording(here: Here, conversation_id: PathId) -> None:
    """Erase the recording alone, also while it is being made; the conversation stays."""
    await here.rooms.recordings.erase(here.tenant, conversation_id)
