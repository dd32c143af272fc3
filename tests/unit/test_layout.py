"""The shape of the source, found by looking at it: there is no list to maintain."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PACKAGE = "voicemind"
PLAIN = (
    "voicemind.errors",
    "voicemind.clock",
    "voicemind.speech.audio",
    "voicemind.mind.agent",
    "voicemind.store.found",
    "voicemind.store.values",
    "voicemind.store.turn_edits",
)
"""Modules of plain values, which contracts may share; other contracts are too."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=None)


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _contracts() -> list[Path]:
    return sorted((SOURCE / PACKAGE).rglob("contract.py"))


def _provider_files() -> list[Path]:
    """Every other file beside the contract of a capability: what an engine is made of is no provider."""
    capabilities = [
        path.parent
        for path in _contracts()
        if path.parent.parent.name == "speech" or path.parent.name in {"llm", "embedding"}
    ]
    return sorted(
        file
        for folder in capabilities
        for file in folder.glob("*.py")
        if file.name not in {"__init__.py", "contract.py"}
    )


def _provider_classes(path: Path) -> list[str]:
    """The public classes of a provider file that are named after its capability, as `PiperTts` is."""
    capability = {"embedding": "Embedder"}.get(path.parent.name, path.parent.name.capitalize())
    tree = ast.parse(path.read_text())
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith(capability)]


@pytest.mark.parametrize("path", _provider_files(), ids=_module)
def test_a_provider_is_imported_by_assembly_alone(path: Path, graph: grimp.ImportGraph) -> None:
    siblings = {module for module in graph.modules if module.rpartition(".")[0] == _module(path.parent / "__init__.py")}

    importers = graph.find_modules_that_directly_import(_module(path)) - siblings

    assert importers <= {f"{PACKAGE}.assembly.providers"}


@pytest.mark.parametrize("path", _contracts(), ids=_module)
def test_a_contract_imports_plain_values_only(path: Path, graph: grimp.ImportGraph) -> None:
    imported = graph.find_modules_directly_imported_by(_module(path))

    assert {module for module in imported if module not in PLAIN and not module.endswith("contract")} == set()


@pytest.mark.parametrize("path", _provider_files(), ids=_module)
def test_every_provider_is_judged_by_its_contract_suite(path: Path) -> None:
    suite = ROOT / "tests" / "contract" / f"test_{path.parent.name}.py"

    unjudged = [name for name in _provider_classes(path) if not suite.is_file() or name not in suite.read_text()]

    assert unjudged == []


@pytest.mark.parametrize("path", sorted((SOURCE / PACKAGE).rglob("*.py")), ids=_module)
def test_a_module_says_why_it_exists(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""

    assert inspect.cleandoc(docstring).split("\n")[0].strip()


@pytest.mark.parametrize("path", _contracts(), ids=_module)
def test_every_name_of_a_contract_is_explained(path: Path) -> None:
    tree = ast.parse(path.read_text())
    explained = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

    mute = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, explained) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]

    assert mute == []


@pytest.mark.parametrize("path", sorted((SOURCE / PACKAGE).rglob("*.py")), ids=_module)
def test_a_file_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
