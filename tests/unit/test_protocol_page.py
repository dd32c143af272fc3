"""The page about the protocol is what the code says now."""

from scripts.protocol_page import PAGE, page

from voicemind.channels.browser import events, wire


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run scripts/protocol_page.py"


def test_every_message_and_field_is_on_the_page() -> None:
    text = PAGE.read_text()
    for event in events.EVENTS:
        assert f"### `{event.type}`" in text
        assert all(f"| `{name}` |" in text for name in event.__struct_encode_fields__)
    for message in wire.MESSAGES:
        assert f"### `{message.__struct_config__.tag}`" in text
        assert all(f"| `{name}` |" in text for name in message.__struct_encode_fields__)
