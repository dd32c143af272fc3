"""Whatever a client sends, in whichever pieces, arrives as it does at uvicorn's own socket; sound only arrives sooner."""

import asyncio
import struct
from typing import Any

import anyio
import anyio.lowlevel
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.utils import apply_mask

from voicemind.ops.sockets import EXTENSION, SocketPatience, socket_class

LARGEST = 40_000
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Wire(asyncio.Transport):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing."""

    def pause_reading(self) -> None:
        """Nothing: what is given has been read."""

    def resume_reading(self) -> None:
        """Nothing."""


def frame(first: int, content: bytes, *, masked: bool = True) -> bytes:
    mask = b"\x5a\x01\xf0\x33"
    bit = 0x80 if masked else 0
    if len(content) < 126:
        head = struct.pack("!BB", first, bit | len(content))
    elif len(content) < 65_536:
        head = struct.pack("!BBH", first, bit | 126, len(content))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(content))
    return head + (mask + apply_mask(content, mask) if masked else content)


async def came(
    kind: type[WebSocketsSansIOProtocol], pieces: list[bytes], *, listening: bool
) -> tuple[list[Any], bytes]:
    """The messages that arrived, those of who listens as others, and what was answered."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await over.wait()

    config = Config(app, ws_max_size=LARGEST, ws_per_message_deflate=False, ws_ping_interval=None, log_config=None)
    config.load()
    wire, heard, over = Wire(), list[Any](), anyio.Event()
    socket = kind(config, ServerState(), {}, asyncio.get_running_loop())
    socket.connection_made(wire)
    socket.data_received(UPGRADE)
    while not socket.handshake_complete:
        await anyio.lowlevel.checkpoint()
    if listening:
        socket.scope["extensions"][EXTENSION]["connection"].hear = lambda content: heard.append(  # type: ignore[attr-defined]
            {"type": "websocket.receive", "bytes": content}
        )
    before = len(wire.written)
    for piece in pieces:
        if not wire.closing:
            socket.data_received(piece)
    messages: list[Any] = []
    while not socket.queue.empty():
        messages.append(socket.queue.get_nowait())
    answered = wire.written[before:]
    over.set()
    while socket.tasks:
        await anyio.lowlevel.checkpoint()
    if socket.close_timer:
        socket.close_timer.cancel()
    return heard + messages, answered


SIZES = st.one_of(st.integers(0, 300), st.sampled_from([32_768, 32_769, LARGEST, LARGEST + 1, 70_000]))
SOUND = st.binary(max_size=300).map(lambda content: frame(0x82, content))
WELL_FORMED = st.one_of(
    SOUND,
    st.sampled_from([frame(0x81, b"words"), frame(0x89, b"ping"), frame(0x8A, b""), frame(0x82, bytes(35_000))]),
    st.sampled_from([frame(0x02, b"half") + frame(0x89, b"?") + frame(0x80, b"rest"), frame(0x88, b"\x03\xe8")]),
)
ANY = st.builds(
    lambda first, size, masked: frame(first, bytes(size), masked=masked),
    st.one_of(st.sampled_from([0x81, 0x82, 0x88]), st.integers(0, 255)),
    SIZES,
    st.booleans(),
)


def cut(sent: bytes, sizes: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(sent[:size])
        sent = sent[size:]
    return [piece for piece in [*pieces, sent] if piece]


def arrives_the_same(pieces: list[bytes], *, listening: bool) -> None:
    expected = anyio.run(lambda: came(WebSocketsSansIOProtocol, pieces, listening=False))
    assert anyio.run(lambda: came(socket_class(SocketPatience()), pieces, listening=listening)) == expected


@given(
    frames=st.lists(st.one_of(SOUND, WELL_FORMED), max_size=8),
    sizes=st.lists(st.integers(0, 400), max_size=12),
    listening=st.booleans(),
)
def test_frames_arrive_the_same_in_whichever_pieces(frames: list[bytes], sizes: list[int], listening: bool) -> None:
    arrives_the_same(cut(b"".join(frames), sizes), listening=listening)


@given(
    frames=st.lists(st.tuples(st.one_of(SOUND, ANY), st.lists(st.integers(0, 400), max_size=4)), max_size=6),
    rest=st.binary(max_size=6),
    listening=st.booleans(),
)
def test_a_socket_breaks_off_at_the_same_frame_and_for_the_same_reason(
    frames: list[tuple[bytes, list[int]]], rest: bytes, listening: bool
) -> None:
    pieces = [piece for sent, sizes in frames for piece in cut(sent, sizes)]
    arrives_the_same([*pieces, rest] if rest else pieces, listening=listening)


def test_sound_goes_to_who_listens_and_words_wait_for_the_application() -> None:
    async def arrived() -> tuple[list[Any], bytes]:
        pieces = [frame(0x82, b"ab") + frame(0x82, b"cd")[:5], frame(0x82, b"cd")[5:], frame(0x81, b"words")]
        return await came(socket_class(SocketPatience()), pieces, listening=True)

    messages, answered = anyio.run(arrived)
    assert [message.get("bytes", message.get("text")) for message in messages] == [b"ab", b"cd", "words"]
    assert answered == b""
