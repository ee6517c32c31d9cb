"""A function's docstring begins with an imperative verb: "Return", "Store", "Raise" (CONTRIBUTING.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("config", "web", "analytics", "games", "tokens", "cachecore", "benchmarks")
VERBS = frozenset((Path(__file__).parent / "docstring_verbs.txt").read_text().split())
LEAST_SHARE = 0.9
NEVER_FIRST = {"Whether", "Of", "What", "Who", "How", "As", "Those", "Nothing"}


def test_nine_of_ten_function_docstrings_begin_with_a_verb() -> None:
    first_words = dict(_first_words())
    others = {place: word for place, word in first_words.items() if word not in VERBS}
    share = 1 - len(others) / len(first_words)
    listing = "\n".join(f"{place}: {word}" for place, word in others.items())
    assert share >= LEAST_SHARE, f"{share:.1%} of {len(first_words)} begin with a verb; these do not:\n{listing}"


def test_no_function_docstring_begins_with_a_clause_that_lacks_its_verb() -> None:
    assert not [f"{place}: {word}" for place, word in _first_words() if word in NEVER_FIRST]


def _first_words() -> Iterator[tuple[str, str]]:
    """Yield (place, first word) of every function docstring, properties and migrations aside."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_property(node):
                    continue
                if docstring := ast.get_docstring(node):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", docstring.split()[0].strip(".,:;`\"'()")


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
