"""The catalogue names whole, checkable files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from voicemind.errors import Misconfigured
from voicemind.models.catalog import DEFAULT, MODELS, Model, find, located


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_every_model_has_a_hash_a_size_and_a_source(model: Model) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", model.sha256)
    assert model.size > 0
    assert model.package or (model.hub_url.endswith(model.file) and model.mirror)


@pytest.mark.parametrize("model", [model for model in MODELS.values() if model.mirror], ids=lambda model: model.name)
def test_the_parts_of_a_mirror_add_up(model: Model) -> None:
    assert model.mirror is not None
    parts = len(model.mirror.packages)
    assert (parts - 1) * model.mirror.part_bytes < model.size <= parts * model.mirror.part_bytes


def test_a_model_is_found_by_its_name() -> None:
    assert find(DEFAULT).name == DEFAULT


def test_an_unknown_model_is_refused_with_the_known_names() -> None:
    with pytest.raises(Misconfigured, match=r"qwen2\.5-coder-0\.5b"):
        find("gpt-17")


def test_a_file_of_the_wrong_size_is_not_a_model(tmp_path: Path) -> None:
    model = replace(find(DEFAULT), size=4)
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / model.file
    assert located(model, tmp_path) is None
    file.write_bytes(b"123")
    assert located(model, tmp_path) is None
    file.write_bytes(b"1234")
    assert located(model, tmp_path) == file


def test_a_package_that_is_not_installed_has_no_file(tmp_path: Path) -> None:
    assert located(replace(find("smollm2-135m"), package="no_such_package"), tmp_path) is None
