"""Run a tutorial as a reader would: its blocks in order, in an empty folder, on one thread.

``python docs/tutorials/run.py predictions`` runs the page and writes what it drew and printed back to the page: the
pictures into ``pictures``, the outputs into its ``text`` blocks. Without a name it runs every page.
``tests/docs/test_tutorials.py`` runs them too and compares.

A page holds ``python`` blocks, which share one namespace, and ``sh`` blocks, which are commands for a shell. A
``text`` block right after one of them says what it prints.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\((pictures/[^)]+)\)")


@dataclass(frozen=True)
class Block:
    """One block of code of a page."""

    language: str
    code: str
    # Place of its first line in the page, from 1.
    line: int
    # What the page says it prints, and where that stands in the page's characters; None: the page does not say.
    printed: str | None
    span: tuple[int, int] | None


def pages() -> list[str]:
    """Names of all tutorials."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def read(name: str) -> str:
    """The page's text."""
    return (FOLDER / f"{name}.md").read_text()


def blocks(page: str) -> list[Block]:
    """The blocks of code of a page, in order."""
    found, every = [], [*BLOCK.finditer(page)]
    for match, after in zip(every, [*every[1:], None], strict=True):
        if match[1] != "text":
            says = after is not None and after[1] == "text" and not page[match.end() : after.start()].strip()
            printed, span = (after[2], after.span(2)) if after is not None and says else (None, None)
            found.append(Block(match[1], match[2], page.count("\n", 0, match.start(2)) + 1, printed, span))
    return found


def run_here(name: str) -> list[str]:
    """Run every block of a page in the working folder; what each of them printed."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    names: dict = {"__name__": "__main__"}
    outputs = []
    for block in blocks(read(name)):
        if block.language == "sh":
            done = subprocess.run(["sh", "-e", "-c", block.code], stdout=subprocess.PIPE, text=True, check=True)
            outputs.append(done.stdout)
            continue
        printed = io.StringIO()
        # Empty lines in front, so that a traceback names the page's own lines.
        code = compile("\n" * (block.line - 1) + block.code, str(FOLDER / f"{name}.md"), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        outputs.append(printed.getvalue())
    return outputs


def run(name: str, folder: Path) -> list[str]:
    """Run a page in an interpreter of its own, in a folder, its numbers on one thread; what each block printed."""
    command = [sys.executable, "-c", f"import runpy, json; m = runpy.run_path({str(FOLDER / 'run.py')!r})\n"]
    command[-1] += f"outputs = m['run_here']({name!r}); open('outputs.json', 'w').write(json.dumps(outputs))"
    # The commands of the environment whose interpreter this is, and of its checkout.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    package = os.pathsep.join(filter(None, [str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PATH": path, "PYTHONPATH": package, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    done = subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"docs/tutorials/{name}.md: expected its blocks to run, got\n{done.stderr[-3000:]}")
    import json

    return json.loads((folder / "outputs.json").read_text())


def rewrite(name: str, folder: Path, outputs: list[str]) -> None:
    """Put what a page drew and printed in the page's place."""
    page = read(name)
    for block, output in reversed([*zip(blocks(page), outputs, strict=True)]):
        if block.span is not None:
            page = page[: block.span[0]] + output + page[block.span[1] :]
    (FOLDER / f"{name}.md").write_text(page)
    for picture in PICTURE.findall(page):
        (FOLDER / picture).parent.mkdir(exist_ok=True)
        (FOLDER / picture).write_bytes((folder / picture).read_bytes())


def main(names: list[str]) -> None:
    """Run the named pages, or all, and rewrite them."""
    for name in names or pages():
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            rewrite(name, Path(folder), run(name, Path(folder)))
        print(f"{name}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
