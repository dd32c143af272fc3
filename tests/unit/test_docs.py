"""The documents say what the code is."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[(?P<label>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def stops() -> list[tuple[str, str]]:
    text = (ROOT / "docs/one-sentence.md").read_text()
    return [(match["label"].strip("`"), match["target"]) for match in LINK.finditer(text)]


def test_a_sentence_has_at_most_eight_stops() -> None:
    assert 1 <= len(re.findall(r"^\d+\. ", (ROOT / "docs/one-sentence.md").read_text(), re.MULTILINE)) <= 8


@pytest.mark.parametrize(("symbol", "target"), stops())
def test_every_stop_of_the_sentence_is_where_the_link_says(symbol: str, target: str) -> None:
    tree: ast.AST = ast.parse((ROOT / "docs" / target).read_text())
    for name in symbol.split("."):
        named = [
            node
            for node in ast.iter_child_nodes(tree)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        assert named, f"{symbol} is not in {target}"
        tree = named[0]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_our_pages_leads_somewhere(page: Path) -> None:
    for match in LINK.finditer(page.read_text()):
        target = match["target"].partition("#")[0]
        if target and "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
