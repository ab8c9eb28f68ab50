"""How a package reads, in figures: `python tests/style.py FOLDER`. tests/unit/test_style.py holds ganaug to them."""

import ast
import io
import re
import statistics
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path

# words of a private dialect that were replaced by standard terms
DIALECT = re.compile(
    r"\b(found|own|given|made|told|mend|critic|kinds|sides|held back|learnt|dear|anew|thus|seen|referee|rivals?)\b"
)


@dataclass(frozen=True)
class Figures:
    files: int
    lines: int
    median_file: float
    largest_file: int
    long_functions: int  # over 50 lines without the docstring
    many_parameters: int  # functions with more than ten
    docstrings: float  # docstring lines per code line
    comments: float  # comments per code line
    examples: int
    dialect: float  # fraction of lines


def measure(folder: Path) -> Figures:
    """Figures of all Python files below a folder."""
    lengths, functions, parameters = [], [], []
    comments = docstrings = code = examples = dialect = 0
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        described = 0
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            docstring = ast.get_docstring(node) or ""
            n_lines = docstring.count("\n") + 1 if docstring else 0
            described += n_lines
            examples += docstring.count(">>>")
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.append(node.end_lineno - node.lineno + 1 - n_lines)
                parameters.append(len(node.args.args) + len(node.args.kwonlyargs))
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        n_comments = sum(token.type == tokenize.COMMENT for token in tokens)
        filled = sum(bool(line.strip()) for line in text.splitlines())
        comments, docstrings = comments + n_comments, docstrings + described
        code += max(1, filled - described - n_comments)
        dialect += sum(bool(DIALECT.search(line)) for line in text.splitlines())
        lengths.append(text.count("\n"))
    return Figures(
        files=len(lengths),
        lines=sum(lengths),
        median_file=statistics.median(lengths),
        largest_file=max(lengths),
        long_functions=sum(length > 50 for length in functions),
        many_parameters=sum(number > 10 for number in parameters),
        docstrings=docstrings / code,
        comments=comments / code,
        examples=examples,
        dialect=dialect / sum(lengths),
    )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, measure(Path(name)))
