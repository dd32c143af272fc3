"""Smart Turn: hears from eight seconds of speech whether a turn is over, in 23 languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from anyio import to_thread

from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models import onnx
from voicemind.models.catalog import SMART_TURN, located
from voicemind.speech.audio import INPUT_RATE_HZ, as_floats
from voicemind.speech.prosody.contract import LONGEST_S
from voicemind.speech.prosody.mel import log_mel
from voicemind.speech.threads import Threads

_LONGEST = LONGEST_S * INPUT_RATE_HZ


class SmartTurnProsody:
    """Version 3.2 for processors (BSD 2-Clause, github pipecat-ai/smart-turn). A question costs about a tenth of a second of one core."""

    name = "smart-turn"

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._threads = Threads(1, name=self.name)
        self._session: Any = None
        self._failures: tuple[type[BaseException], ...] = ()

    async def start(self) -> None:
        """Load the weights, 0.1 s. Raises Misconfigured where they have not been pulled."""
        self._session = await to_thread.run_sync(self._load)

    async def finished(self, samples: bytes) -> float:
        """See the contract."""
        session = self._session
        if session is None:
            raise ProviderUnavailable("Smart Turn is not running.", provider=self.name)
        try:
            return await self._threads.run(_likelihood, session, samples)
        except self._failures as error:
            raise ProviderUnavailable("Smart Turn failed.", provider=self.name) from error

    async def aclose(self) -> None:
        """Forget the weights, once a question under way is answered."""
        self._session = None
        await self._threads.aclose()

    def _load(self) -> Any:
        path = located(SMART_TURN, self._cache_dir)
        if path is None:
            problem = "the weights of smart-turn are not on this machine"
            raise Misconfigured("VOICEMIND_PROSODY", problem, accepted=f"run `voicemind models pull {SMART_TURN.name}`")
        try:
            session = onnx.open_session(path, threads=1)
            self._failures = onnx.failures()
        except ImportError as error:
            problem = "smart-turn needs the extra `local`: pip install 'voicemind[local]'"
            raise Misconfigured("VOICEMIND_PROSODY", problem, accepted="smart-turn, none") from error
        return session


def _likelihood(session: Any, samples: bytes) -> float:
    """In the thread. Short speech is preceded by silence: the model was trained on speech that ends where the sound does."""
    sound = as_floats(samples[-2 * _LONGEST :])
    if not sound.size:
        return 0.0
    whole = np.concatenate((np.zeros(_LONGEST - sound.size, dtype=np.float32), sound))
    return float(session.run(None, {"input_features": log_mel(whole)[None]})[0].reshape(-1)[0])
