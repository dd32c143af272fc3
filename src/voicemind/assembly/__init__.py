"""Settings become a running server; only here is it known whose product is behind a capability."""

from voicemind.assembly.house import House
from voicemind.assembly.providers import EMBEDDERS, LLMS, PROVIDERS, STTS, TTSS, VADS, build_llm
from voicemind.assembly.serving import running, serve

__all__ = ["EMBEDDERS", "LLMS", "PROVIDERS", "STTS", "TTSS", "VADS", "House", "build_llm", "running", "serve"]
