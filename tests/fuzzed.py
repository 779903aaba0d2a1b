"""Inputs that nobody would write on purpose: data, files of options, models, and words."""

import gzip
import json
import random
import string
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st

QUICK = ["--max-epochs", "1", "--hidden-sizes", "[4]", "--importance-samples", "3"]
IMPORTED = "imported.txt"  # what `evil.py` writes when somebody imports it
EVIL = f"open({IMPORTED!r}, 'w').close()\nclass X:\n    pass\n"


@dataclass(frozen=True)
class Example:
    """Files to write, a command to run, and those that follow when it ends well.

    Attributes:
        write: Writes the files into a folder.
        words: The command.
        then: Further commands; each is a promise of its own.
        must: How many of `then`, from the first, have to end with status 0.
        about: What the files hold, to be read by people.
    """

    write: Callable[[Path], None]
    words: list[str]
    then: tuple[list[str], ...] = ()
    must: int = 0
    about: str = ""


# -- values ------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "x", "[/x]", "[bold]", "a b", "a,b", "ä", "", "nan", "0", "label", "class_path"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8),
)
HOSTILE_NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 3, 0.5, -0.0, 1e-300, 1e300, 2**31, 2**63, 10**12, 10**400, 4.000003, True]
) | st.floats(width=16)
WORDS = st.sampled_from(
    ["", " ", "none", "null", "None", "NA", "nan", "auto", "-1", "--", "[/x]", "{", "[", "]:", "~"]
) | st.sampled_from(
    ["vamp", "mog", "flow", "gaussian", "bernoulli", "digits", "evil.X", "evil:X", "x.npy", "/"]
)
WORDS |= st.sampled_from(
    ["../..", "1e5", "0x10", "1_000", "é\u202e", "a" * 5000, "*x", "&x", "!!python/name:evil.X"]
)
PLAIN = st.recursive(
    HOSTILE_NUMBERS | WORDS | NAMES | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.just("class_path"), inner, max_size=3)
    ),
    max_leaves=6,
)


def repeatable(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- tables ------------------------------------------------------------------------------------

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "numbers": st.floats(-1e3, 1e3) | st.floats(allow_nan=True, allow_infinity=True, width=32),
    "whole": st.integers(-5, 20),
    "vast": st.integers(-(2**70), 2**70),
    "flags": st.sampled_from([True, False]),
    "words": st.sampled_from(["red", "green", "blue"]),
    "texts": NAMES,
    "mixed": st.sampled_from([True, False, 1, 1.0, "1", "True", "", 0, "0"]),
    "decimals": st.sampled_from(["19,5", "3,25", "-1,0", "7"]),
    "percent": st.sampled_from(["12%", "3 %", "100%"]),
    "dates": st.sampled_from(["2024-01-03", "3.1.2024", "2024-01-03 10:00", "01/02/23"]),
    "missing": st.sampled_from(["", "NA", "None", "null", "nan", "-"]),
    "same": st.just(3),
}


@st.composite
def columns(draw: st.DrawFn, rows: int, tame: bool) -> list[Any]:
    """Draw the cells of a column; those of a tame one are numbers, whole numbers or words."""
    kind = draw(st.sampled_from(["numbers", "whole", "words"] if tame else [*CELLS]))
    chance = random.Random(draw(st.integers(0, 99)))
    if kind == "numbers" and (tame or draw(st.booleans())):
        return [chance.gauss(0, 1) for _ in range(rows)]
    pool = [-3, 0, 2, 7] if tame and kind == "whole" else ["red", "green"] if tame else None
    pool = pool or draw(st.lists(CELLS[kind], min_size=1, max_size=6))
    gaps = 0 if tame else draw(st.sampled_from([0, 0, 0.2]))
    return [
        "" if chance.random() < gaps else pool[chance.randrange(len(pool))] for _ in range(rows)
    ]


def as_csv(names: list[str], cells: list[list[Any]], separator: str) -> str:
    def quoted(value: Any) -> str:
        text = str(value)
        if any(character in text for character in f'{separator}"\n\r'):
            return '"' + text.replace('"', '""') + '"'
        return text

    lines = [names, *map(list, zip(*cells, strict=True))]
    return "".join(separator.join(map(quoted, line)) + "\n" for line in lines)


@st.composite
def tables(draw: st.DrawFn) -> Example:
    tame = draw(st.booleans())
    rows = draw(st.sampled_from([30, 60] if tame else [0, 1, 2, 5, 12, 30]))
    some = columns(rows, tame=True)
    cells = draw(st.lists(some, min_size=1, max_size=4))
    if not tame or draw(st.booleans()):
        cells.append(draw(columns(rows, tame=False)))
    names = draw(st.lists(NAMES, min_size=len(cells), max_size=len(cells)))
    if tame or draw(st.booleans()):
        names = [name + letter for name, letter in zip(names, string.ascii_letters, strict=False)]
    end = draw(st.sampled_from([".csv", ".csv", ".tsv", ".parquet"]))
    separator = draw(st.sampled_from([",", ",", ";", "|"])) if end == ".csv" else "\t"
    column = st.sampled_from(names) | NAMES
    options = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "label": column | PLAIN,
                "drop": st.lists(column, max_size=2) | PLAIN,
                "categorical": st.lists(column, max_size=2) | PLAIN,
                "counts": st.lists(column, max_size=2) | PLAIN,
                "missing_numbers": st.sampled_from(["mean", "median", "none"]) | PLAIN,
                "missing_categories": st.sampled_from(["own", "none"]) | PLAIN,
                "separator": st.just(separator) | PLAIN,
            },
        )
        if not tame and draw(st.booleans())
        else st.just({"separator": separator} if end == ".csv" else {})
    )

    def write(folder: Path) -> None:
        if end != ".parquet":
            text = as_csv(names, cells, separator)
            (folder / f"t{end}").write_text(text, "utf-8", newline="")
            return
        import pandas

        frame = pandas.DataFrame(dict(enumerate(cells)))
        frame.columns = names
        try:
            frame.to_parquet(folder / "t.parquet")
        except Exception:  # what a table cannot be is not for us to read
            frame.astype(str).set_axis(range(len(names)), axis=1).astype(str).rename(
                columns=str
            ).to_parquet(folder / "t.parquet")

    prior = draw(st.sampled_from(["vamp", "mog", "standard", "conditionalmog"]))
    given = ["--data-options", json.dumps(options)] if options else []
    words = ["train", "--data", f"t{end}", *given, "--prior", prior, "--num-components", "2"]
    words += ["--latent-dim", draw(st.sampled_from(["2", "5"])), *QUICK, "--out", "made"]
    kept = draw(st.sampled_from([".csv", ".parquet"]))
    then = (
        ["sample", "made", "-n", "5", "--out", f"s{kept}"],
        ["score", "made", "--data", f"s{kept}", "--importance-samples", "3", "--out", "s.npy"],
        ["encode", "made", "--data", f"t{end}", *given, "--out", f"z{kept}"],
    )
    head = as_csv(names, [column[:8] for column in cells], separator)
    return Example(write, words, then, 2, f"{options}\n{head}")


# -- arrays, images, counts, IDX ---------------------------------------------------------------

DTYPES = ["f4", "f8", "f2", ">f4", "i1", "u1", "i8", "u8", "?", "c8", "U3", "O", "M8[s]", ">i4"]


@st.composite
def arrays(draw: st.DrawFn) -> Example:
    odd = draw(st.booleans())
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 5, 12]), min_size=2, max_size=4)))
    shape = (draw(st.sampled_from([0, 1, 2, 3, 12, 30])), *shape[1:]) if odd else (30, *shape[1:3])
    if odd and draw(st.booleans()):
        shape = tuple(draw(st.lists(st.sampled_from([0, 1, 30]), max_size=5)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES if odd else ["f4", "f8", "u1"])))
    strange = ["zero", "huge", "nan", "mostly"] if odd else []
    kind = draw(st.sampled_from(["normal", "whole", "bits", *strange]))
    end = draw(st.sampled_from([".npy", ".npy", ".npz", ".pt"]))
    cut = draw(st.sampled_from([0, 0, 1, 40])) if odd else 0
    seed = draw(st.integers(0, 99))
    labelled = draw(st.sampled_from(["", "", "y.npy"]))
    prior = draw(st.sampled_from(["vamp", "mog", "conditionalvamp", "exemplar"]))

    def write(folder: Path) -> None:
        rng = repeatable(seed)
        values = {
            "normal": lambda: rng.normal(size=shape),
            "whole": lambda: rng.integers(0, 200, shape),
            "bits": lambda: rng.integers(0, 2, shape),
            "zero": lambda: np.zeros(shape),
            "huge": lambda: rng.normal(size=shape) * 1e30,
            "nan": lambda: np.full(shape, np.nan),
            "mostly": lambda: np.where(rng.random(shape) < 0.02, np.inf, 1.0),
        }[kind]()
        with np.errstate(all="ignore"):
            array = np.asarray(values).astype(dtype)
        path = folder / f"x{end}"
        if end == ".npy":
            np.save(path, array)
        elif end == ".npz":
            np.savez(path, x=array, **({"y": np.arange(len(array))} if array.ndim else {}))
        else:
            import torch

            try:
                torch.save(torch.as_tensor(array), path)
            except (TypeError, ValueError):
                torch.save({"x": array.tolist()}, path)
        if cut:
            path.write_bytes(path.read_bytes()[:-cut])
        np.save(folder / "y.npy", rng.integers(0, 3, shape[:1] or 1))

    labels = ["--labels", labelled] if labelled else []
    words = ["train", "--data", f"x{end}", *labels, "--prior", prior, "--num-components", "2"]
    words += ["--latent-dim", "2", *QUICK, "--out", "made"]
    then = (["sample", "made", "-n", "3", "--out", "s.npy"], ["encode", "made", "--out", "z.csv"])
    return Example(write, words, then, 2, f"{dtype} {shape} {kind}, cut by {cut}")


@st.composite
def images(draw: st.DrawFn) -> Example:
    modes = ["L", "RGB", "RGBA", "P", "1", "I;16", "LA", "CMYK", "F"]
    sizes = st.sampled_from([(4, 4), (4, 4), (3, 5), (1, 1)])
    row = st.tuples(st.sampled_from(modes), sizes)
    rows = draw(st.lists(row, max_size=4) | st.lists(row, min_size=1, max_size=1))
    times = draw(st.sampled_from([1, 4, 8, 30]))
    ends = draw(st.sampled_from([".png", ".tif", ".gif", ".bmp"]))
    broken = draw(st.sampled_from([b"", b"", b"", b"\x89PNG\r\n", b"GIF89a"]))
    folders = draw(st.sampled_from(["", "", "class"]))

    def write(folder: Path) -> None:
        from PIL import Image

        rng = repeatable(len(rows))
        for number, (mode, size) in enumerate(rows * times):
            place = folder / "images" / (f"{folders}{number % 2}" if folders else "")
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (*size, 3)).astype("u1")
            image = Image.fromarray(pixels, "RGB")
            image = image.convert("L" if mode == "I;16" else mode)
            try:
                image.save(place / f"{number}{ends}")
            except (OSError, ValueError):
                image.convert("RGB").save(place / f"{number}{ends}")
        (folder / "images").mkdir(exist_ok=True)
        if broken:
            (folder / "images" / f"broken{ends}").write_bytes(broken)

    network = draw(st.sampled_from(["mlp", "mlp", "conv"]))
    words = ["train", "--data", "images", "--network", network, "--num-components", "2"]
    words += ["--latent-dim", "2", *QUICK, "--out", "made"]
    return Example(write, words, (["sample", "made", "--out", "s.png"],), 1, f"{rows} {ends}")


@st.composite
def counts(draw: st.DrawFn) -> Example:
    cells, genes = draw(st.sampled_from([(0, 3), (1, 3), (30, 1), (30, 6), (40, 0), (40, 8)]))
    kind = draw(st.sampled_from(["counts", "counts", "logs", "zero", "negative", "nan"]))
    sparse = draw(st.booleans())
    same = draw(st.integers(0, 3)) == 0
    options = draw(
        st.fixed_dictionaries(
            {}, optional={"label": st.sampled_from(["kind", "none", 5]), "layer": WORDS | NAMES}
        )
    )

    def write(folder: Path) -> None:
        import anndata
        import pandas
        import scipy.sparse

        rng = repeatable(cells)
        x = rng.poisson(2.0, (cells, genes)).astype("f4")
        x = {
            "counts": x,
            "logs": np.log1p(x),
            "zero": 0 * x,
            "negative": x - 1,
            "nan": np.where(x > 3, np.nan, x),
        }[kind]
        obs = pandas.DataFrame(index=["cell" if same else f"cell{n}" for n in range(cells)])
        var = pandas.DataFrame(index=[f"gene{n // (1 + same)}" for n in range(genes)])
        matrix = scipy.sparse.csr_matrix(x) if sparse else x
        with (
            warnings.catch_warnings(),
            pandas.option_context("mode.string_storage", "python"),
            anndata.settings.override(allow_write_nullable_strings=True),
        ):
            warnings.simplefilter("ignore")
            kinds = pandas.Series(list(rng.choice(["T", "B"], cells)), dtype=object)
            obs["kind"] = pandas.Categorical(kinds, pandas.Index(["T", "B", "-"], dtype=object))
            obs.index, var.index = (pandas.Index(list(f.index), dtype=object) for f in (obs, var))
            anndata.AnnData(matrix, obs, var).write_h5ad(folder / "c.h5ad")

    given = ["--data-options", json.dumps(options)] if options else []
    words = ["train", "--data", "c.h5ad", *given, "--num-components", "2", "--latent-dim", "2"]
    words += [*QUICK, "--out", "made"]
    then = (["sample", "made", "-n", "3", "--out", "s.csv"], ["encode", "made", "--out", "z.csv"])
    return Example(write, words, then, 2, f"{cells} x {genes} {kind} {options}")


@st.composite
def idx_files(draw: st.DrawFn) -> Example:
    code = draw(st.sampled_from([0x08, 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x00, 0xFF]))
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 12, 30, 2**31, 2**32 - 1]), max_size=5))
    body = draw(st.sampled_from([0, 1, 120, 360]))
    if draw(st.booleans()):
        code, shape, body = 0x08, [30, 2, 3], 180
    end = draw(st.sampled_from(["", "", ".gz"]))

    def write(folder: Path) -> None:
        head = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        content = head + bytes(n % 251 for n in range(body))
        path = folder / f"train-images-idx3-ubyte{end}"
        path.write_bytes(gzip.compress(content) if end else content)

    words = ["train", "--data", f"train-images-idx3-ubyte{end}", "--latent-dim", "2"]
    words += ["--num-components", "2", *QUICK, "--out", "made"]
    return Example(write, words, (), 0, f"{code} {shape} {body}")


# -- options -----------------------------------------------------------------------------------


def options_of(command: str) -> list[str]:
    from priory.commands import command as function_of
    from priory.commands.parser import parser_of

    return sorted(parser_of(command, function_of(command)).hints)


COMMANDS = ("encode", "sample", "score", "evaluate", "report", "interpolate", "refit")
CLASSES = ("encoder", "decoder", "prior", "old_prior", "logger", "priors")
# Options that ask for other machines, processes or a compiler, and what makes a run long.
LEFT_OUT = {"devices", "num_nodes", "compile", "strategy", "accelerator", "run", "out", "module"}


@st.composite
def configurations(draw: st.DrawFn) -> Example:
    command = draw(st.sampled_from(["train", "train", "compare", *COMMANDS]))
    names = st.sampled_from([n for n in options_of(command) if n not in LEFT_OUT])
    values = draw(st.dictionaries(names | NAMES, PLAIN, min_size=1, max_size=3))
    resumed = command == "train" and draw(st.booleans())
    text = draw(
        st.sampled_from(
            [yaml.safe_dump(values, allow_unicode=True)] * 8
            + ["a: &a [*a]\n", "- 1\n", "\0", "x: !!python/name:evil.X\n", "{" * 50, "\ufeffx: 1"]
        )
    )

    def write(folder: Path) -> None:
        (folder / "o.yaml").write_text(text, "utf-8")
        if resumed:
            merged = text
            if text.startswith(("{", "-", "\0", "a:", "x:", "\ufeff")) is False:
                first = yaml.safe_load((folder / "run" / "config.yaml").read_text())
                merged = yaml.safe_dump(first | values)
            (folder / "run" / "config.yaml").write_text(merged, "utf-8")
            (folder / "run" / "metrics.json").unlink()

    if resumed:
        words = ["train", "--resume", "--out", "run"]
    elif command in ("train", "compare"):
        words = [command, "--config", "o.yaml", "--out", "new"]
        quick = [*QUICK, "--data", "x.npy", "--num-components", "2", "--latent-dim", "2"]
        words += [w for k in range(0, len(quick), 2) for w in _unless(quick, k, values)]
    else:
        words = [command, "run", "--config", "o.yaml"]
    return Example(write, words, (), 0, text[:500])


def _unless(words: list[str], at: int, values: dict[str, Any]) -> list[str]:
    return [] if words[at][2:].replace("-", "_") in values else words[at : at + 2]


@st.composite
def shells(draw: st.DrawFn) -> Example:
    command = draw(st.sampled_from(["train", "train", "compare", "check", *COMMANDS]))
    names = st.sampled_from([n for n in options_of(command) if n not in LEFT_OUT and n != "n"])
    given = draw(st.dictionaries(names, PLAIN, min_size=1, max_size=3))
    given = {name: value for name, value in given.items() if name not in CLASSES}
    words = [command]
    if command in ("train", "compare"):
        quick = ["--data", "x.npy", "--num-components", "2", "--latent-dim", "2", *QUICK]
        words += [w for k in range(0, len(quick), 2) for w in _unless(quick, k, given)]
        words += ["--out", "new"]
    elif command == "check":
        words += ["priory:StandardPrior"]
    else:
        words += ["run"]
    for name, value in given.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        if "\0" in text or len(text) > 20_000:
            continue
        words.append(f"--{name.replace('_', '-')}={text}")
    return Example(lambda folder: None, words, (), 0, str(given)[:500])


# -- runs and models that were made to be hostile -----------------------------------------------


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree if _is_list(tree) else ())
    for key, value in items:
        yield from _places(value, (*path, key))


def _is_list(tree: Any) -> bool:
    return isinstance(tree, list)


def _changed(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = tree.copy()
    if value is ... and len(path) == 1:
        del copy[path[0]]
        return copy
    copy[path[0]] = _changed(tree[path[0]], path[1:], value)
    return copy


TEXTS = ("model.json", "config.yaml", "data.json", "metrics.json", "measures.json", "metrics.csv")
BYTES = ("model.safetensors", "last.ckpt", "log_prob.npy")


@st.composite
def runs(draw: st.DrawFn, trained: Path) -> Example:
    texts = [name for name in TEXTS if (trained / name).exists()]
    others = [name for name in BYTES if (trained / name).exists()]
    name = draw(st.sampled_from([*texts, *texts, *others]))
    content = (trained / name).read_bytes()
    if name.endswith((".json", ".yaml")) and draw(st.integers(0, 5)):
        tree = yaml.safe_load(content) if name.endswith(".yaml") else json.loads(content)
        place = draw(st.sampled_from(list(_places(tree))))
        value = draw(PLAIN | (st.just(...) if place else st.nothing()))
        tree = _changed(tree, place, value)
        about = f"{name}: {place} is {str(value)[:200]}"
        if name.endswith(".yaml"):
            content = yaml.safe_dump(tree).encode()
        else:
            content = json.dumps(tree, default=str).encode()
    else:
        at = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.sampled_from(["cut", "flip", "empty", "insert"]))
        byte = draw(st.integers(0, 255))
        content = {
            "cut": content[:at],
            "flip": content[:at] + bytes([content[at] ^ (byte or 1)]) + content[at + 1 :]
            if content
            else b"",
            "empty": b"",
            "insert": content[:at] + bytes([byte]) * 9 + content[at:],
        }[how]
        about = f"{name}: {how} {byte} at {at}"
    command = draw(st.sampled_from([*COMMANDS, "resume", "from"]))
    words = {
        "resume": ["train", "--resume", "--out", "run", "--max-epochs", "3"],
        "from": ["train", "--from", "run", "--data", "x.npy", *QUICK, "--out", "new"],
        "evaluate": ["evaluate", "run", "--importance-samples", "3"],
        "refit": ["refit", "run", "--prior", "mog", *QUICK[:2], *QUICK[4:], "--num-components=2"],
    }.get(command, [command, "run"])

    def write(folder: Path) -> None:
        (folder / "run" / name).write_bytes(content)

    return Example(write, words, (), 0, about)


KINDS: dict[str, Callable[..., st.SearchStrategy[Example]]] = {
    "tables": tables,
    "arrays": arrays,
    "images": images,
    "counts": counts,
    "idx": idx_files,
    "configurations": configurations,
    "shells": shells,
    "runs": runs,
}
