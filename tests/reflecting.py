"""What tests of reflections share."""

from collections.abc import Mapping, Sequence

from voicemind.store.contract import Store
from voicemind.store.values import Entry, NewVersion, Reflection


async def finish(
    store: Store, reflection: Reflection, *, parent: int, blocks: Mapping[str, Sequence[Entry]] | None, notes: str
) -> Reflection:
    """Finish a reflection with these blocks; None: it changed nothing."""
    version = None
    if blocks is not None:
        version = NewVersion(
            parent,
            "reflection",
            {label: tuple(block) for label, block in blocks.items()},
            notes=notes,
            conversation_id=reflection.conversation_id,
        )
    return await store.finish_reflection(reflection, parent=parent, version=version, notes=notes)
