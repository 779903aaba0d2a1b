"""The tutorials: notebooks, run and rendered as pages of the site with what they print and draw.

`python docs/assets/tutorials.py` runs those that have changed, or all after a change of Priory, and
says how long each took. The site does the same when it is built.
"""

import os
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[2]
TUTORIALS, RUN = ROOT / "docs" / "tutorials", ROOT / "build" / "tutorials"
SECONDS_A_CELL = 300
STYLE_OF_PANDAS = re.compile(r'<style scoped>.*?</style>| border="1" class="dataframe"', re.S)
"""The site has a style for tables, for light and dark and for narrow screens."""
DOWNLOAD = "\n\n[Download this notebook]({}){{ .md-button download }}\n"


def run(notebook: Path) -> Path:
    """Return a notebook with its outputs, run anew unless nothing has changed since."""
    done = RUN / notebook.name
    newest = max(file.stat().st_mtime for file in [notebook, *ROOT.glob("src/priory/**/*.py")])
    if done.is_file() and done.stat().st_mtime > newest:
        return done
    content, begun = nbformat.read(notebook, as_version=4), time.monotonic()
    with TemporaryDirectory() as folder:  # for the files that it writes
        where = {"metadata": {"path": folder}}
        NotebookClient(
            content,
            timeout=SECONDS_A_CELL,
            resources=where,
            extra_arguments=["--log-level=ERROR"],
        ).execute()
    print(f"{notebook.name}: {time.monotonic() - begun:.0f} s", flush=True)
    RUN.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, done)
    return done


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add a page for each notebook, beside the notebook itself."""
    for notebook in sorted(TUTORIALS.glob("*.ipynb")):
        name = notebook.stem
        figures = {"unique_key": name, "output_files_dir": f"{name}_files"}
        text, resources = MarkdownExporter().from_filename(str(run(notebook)), figures)
        title, _, rest = STYLE_OF_PANDAS.sub("", text).strip().partition("\n")
        page = f"{title}{DOWNLOAD.format(notebook.name)}{rest}\n"
        files.append(File.generated(config, f"tutorials/{name}.md", content=page))
        for figure, content in resources["outputs"].items():
            files.append(File.generated(config, f"tutorials/{figure}", content=content))
    return files


def prepare_environment() -> None:
    """Let a notebook's `!priory` be the one installed with this Python, and use one thread."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two wait for each other on a busy machine
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))


prepare_environment()
if __name__ == "__main__":
    for tutorial in sorted(TUTORIALS.glob("*.ipynb")):
        run(tutorial)
