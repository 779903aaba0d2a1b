"""What a stranger's file, a typo or an odd name does: one sentence, and nothing else."""

import json
import resource
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import priory
from priory import MLP, VAE, BernoulliDecoder, GaussianEncoder, MoGPrior
from priory.cli import main
from priory.data import open_data, open_like, open_source
from priory.printing import plain_console, printable
from priory.report import latent_map
from shell import QUICK, SAMPLES
from shell import refused as refused_by_the_shell
from source_files import refused, write_idx, write_images

STORED = sorted((Path(__file__).parent / "stored").glob("*/models/*/model.json"))
WORDS = ("[/x]", "[bold]x", ":heart:", "a\nb", "\x1b[31m", "$x$", "%s {0}", "\udcff")


# Text is text


@pytest.mark.parametrize("word", WORDS)
def test_text_is_printed_as_it_is(word, capsys):
    from rich.table import Table

    console = plain_console()
    table = Table(word, title=word)
    table.add_row(word)
    console.print(f"the run is {word}.")
    console.print(table)
    out = capsys.readouterr().out
    assert f"the run is {printable(word)}." in out
    assert "\x1b" not in out


def test_everything_is_printed_in_one_place():
    source = Path(priory.__file__).parent
    for file in source.rglob("*.py"):
        if file.name != "printing.py":
            assert " Console(" not in file.read_text(), file


def test_names_of_files_and_labels_are_kept_by_a_command(tmp_path, monkeypatch, unrendered, capsys):
    monkeypatch.chdir(tmp_path)
    Path("[/x]").mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.save("[/x]/[bold].npy", rng.normal(size=(30, 3)))
    np.save("y.npy", np.array(["[/x]", ":heart:", "[red]"] * 10))
    data = ["--data", "[/x]/[bold].npy", "--labels", "y.npy", "--prior", "ConditionalMoGPrior"]
    main(["train", *data, *QUICK, *SAMPLES, "--max-epochs", "1", "--out", "[/x]/:heart:"])
    main(["sample", "[/x]/:heart:", "--label", "[/x]", "-n", "3", "--out", "[/x]/[b].csv"])
    out = capsys.readouterr().out
    for text in (
        "(:heart:, [/x], [red]; ",
        "the report is [/x]/:heart:/report.html.",
        ": [/x]/[b].csv.",
    ):
        assert text in out, text
    assert Path("[/x]/[b].csv").read_text().splitlines()[1].startswith("[/x],")


# Models are compared with their weights before memory is asked for


def numbers_in(value, path=()):
    """Return the places of all numbers in a description."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for key, inner in pairs for place in numbers_in(inner, (*path, key))]
    return [path] if isinstance(value, int | float) and not isinstance(value, bool) else []


def changed(description, path, value):
    copy = json.loads(json.dumps(description))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


HUGE = (10**12, 10**9, -1, 0, 1e300, float("nan"), "x", None, [10**9] * 4)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(path, id=f"{path.parents[2].name}-{path.parent.name}", marks=marks)
        for number, path in enumerate(STORED)
        for marks in ([] if number % 24 == 0 else [pytest.mark.slow],)
    ],
)
def test_no_size_in_a_description_asks_for_memory(stored, tmp_path):
    description = json.loads(stored.read_text())
    weights = stored.with_name("model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights)
    places = numbers_in(description["model"])
    before = peak_bytes()
    for version in {1, description["version"]}:
        for path in places[:: max(1, len(places) // 25)]:
            for value in HUGE:
                wrong = {**description, "version": version}
                wrong["model"] = changed(description["model"], path, value)
                (tmp_path / "model.json").write_text(json.dumps(wrong))
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        priory.load(tmp_path)
                except (ValueError, TypeError) as error:
                    sentence = str(error)
                    assert "\n" not in sentence, (path, value)
                    assert len(sentence) < 1000, (path, value, sentence)
    assert peak_bytes() - before < 2**29


def test_shapes_in_the_header_of_weights_are_compared_first(tmp_path):
    encoder, decoder = GaussianEncoder(MLP((9,), (4,))), BernoulliDecoder(MLP((2,), (9,)))
    priory.save(VAE(encoder, decoder, MoGPrior(2, num_components=3)), tmp_path)
    file = tmp_path / "model.safetensors"
    whole = file.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    name = next(key for key in header if key != "__metadata__")
    for shape in ([10**12], [10**9, 10**9], [], [-1], ["x"], [2**63]):
        text = json.dumps({**header, name: {**header[name], "shape": shape}}).encode()
        file.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + size :])
        with pytest.raises(ValueError, match=r"truncated or damaged|fit the model"):
            priory.load(tmp_path)
    file.write_bytes((2**62).to_bytes(8, "little") + whole[8:])
    with pytest.raises(ValueError, match="truncated or damaged"):
        priory.load(tmp_path)
    file.write_bytes(whole)
    (tmp_path / "model.json").write_text("[" * 10**5)
    with pytest.raises(ValueError, match="damaged or not Priory's"):
        priory.load(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        "--latent-dim 1000000",
        "--hidden-sizes [1000000,1000000]",
        "--num-components 1000000 --latent-dim 1000",
        "--prior gtm --num-components 1000000 --latent-dim 300",
        "--prior gtm-vamp --num-components 900000 --latent-dim 200",
        "--prior-options {inputs:{kind:generated,hidden_sizes:[1000000000]}}",
        "--likelihood gaussian --network gated-mlp --hidden-sizes [1000000,999999]",
    ],
)
def test_a_model_beyond_memory_is_refused_before_it_is_made(options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(30, 3)))
    words = options.replace(":", ": ").replace("hidden_sizes: [", "hidden_sizes: [").split(" --")
    given = [part for word in words for part in ("--" + word.lstrip("-")).split(" ", 1)]
    before = peak_bytes()
    refused_by_the_shell(["train", "--data", "x.npy", *given, "--out", "run"], "expected", capsys)
    Path("run").mkdir()
    plain = dict(zip(given[::2], given[1::2], strict=True))
    lines = [f"{name[2:].replace('-', '_')}: {value}" for name, value in plain.items()]
    Path("run/config.yaml").write_text("\n".join(["data: x.npy", *lines]))
    refused_by_the_shell(["train", "--resume", "--out", "run"], "expected", capsys)
    assert peak_bytes() - before < 2**28


# Labels by name


def test_labels_are_known_by_their_names(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(30, 3)))
    for labels, names in (
        (np.arange(30) % 3 + 1, ("1", "2", "3")),
        (np.array(["u", "v", "w"])[np.arange(30) % 3], ("u", "v", "w")),
        ((np.arange(30) % 3 * 10**12), ("0", str(10**12), str(2 * 10**12))),
    ):
        np.save(tmp_path / "y.npy", labels)
        source = open_source(tmp_path / "x.npy", labels=tmp_path / "y.npy")
        assert source.label_names == names
        assert source.labels.tolist() == [0, 1, 2] * 10
        np.save(tmp_path / "z.npy", labels[2:4])
        np.save(tmp_path / "few.npy", np.zeros((2, 3)))
        further = open_like(source, tmp_path / "few.npy", labels=tmp_path / "z.npy")
        assert further.labels.tolist() == [2, 0]
    np.save(tmp_path / "z.npy", np.array(["u", "q"]))
    with pytest.raises(ValueError, match="got 'q' too"):
        open_like(source, tmp_path / "few.npy", labels=tmp_path / "z.npy")
    np.savez(tmp_path / "x.npz", x=rng.normal(size=(30, 3)), y=np.arange(30) % 3 + 5)
    assert open_source(tmp_path / "x.npz").label_names == ("5", "6", "7")
    np.save(tmp_path / "y.npy", np.arange(1200))
    np.save(tmp_path / "x.npy", rng.normal(size=(1200, 3)))
    refused(ValueError, "at most 1000", tmp_path / "x.npy", labels=tmp_path / "y.npy")


def test_a_label_without_training_data_is_said_before_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.array([3, 4] * 19 + [8, 8])
    parts = {"train": np.arange(30), "validation": np.arange(30, 35), "test": np.arange(35, 40)}
    np.savez("x.npz", x=rng.normal(size=(40, 3)), y=y, **parts)
    words = ["train", "--data", "x.npz", "--prior", "ConditionalMoGPrior", *QUICK, "--out", "run"]
    message = "training examples for every label, got none for '8' (0 for validation, 2 for test)"
    refused_by_the_shell(words, message, capsys)
    assert not Path("run").exists()


# Tiny data


@pytest.mark.parametrize(
    ("count", "kind"),
    [
        (12, "table"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((5, "table"), (12, "images"), (5, "labels"))
        ),
    ],
)
def test_a_dozen_examples_go_from_end_to_end(
    count, kind, tmp_path, monkeypatch, few_permutations, unrendered
):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    data = {"table": "x.csv", "images": "x.npy", "labels": "x.npz"}[kind]
    if kind == "table":
        np.savetxt(data, rng.normal(size=(count, 3)), delimiter=",", header="a,b,c", comments="")
    elif kind == "images":
        np.save(data, rng.integers(0, 256, (count, 4, 4)).astype(np.uint8))
    else:
        np.savez(data, x=rng.normal(size=(count, 3)), y=np.zeros(count, int))
    prior = ["--prior", "ConditionalMoGPrior"] if kind == "labels" else []
    words = ["--data", data, "--latent-dim", "5", *SAMPLES, *prior, "--hidden-sizes", "[4]"]
    main(["train", *words, "--max-epochs", "2", "--out", "run"])
    main(["train", "--resume", "--max-epochs", "3", "--out", "run"])
    main(["evaluate", "run", *SAMPLES])
    main(["report", "run", *SAMPLES])
    main(["score", "run", *SAMPLES])
    main(["sample", "run", "-n", "2"])
    main(["refit", "run", "--prior", "mog", "--max-epochs", "1", *SAMPLES])


def test_a_plane_is_shown_of_a_single_example():
    for count in (1, 2, 3):
        shown = latent_map("one", priory.StandardPrior(5)(), torch.randn(count, 5))
        assert shown.log_density.shape == (200, 200)


# Files that no reader expects


def save_encrypted(path: Path) -> None:
    np.savez(path, x=np.zeros((6, 2)))
    with zipfile.ZipFile(path) as file:
        name = file.namelist()[0]
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + offset] |= 1
    assert name
    path.write_bytes(bytes(content))


def save_huge(path: Path) -> None:
    """Write an array whose header claims eight terabytes."""
    with zipfile.ZipFile(path, "w") as file, file.open("x.npy", "w") as member:
        np.lib.format.write_array_header_1_0(
            member, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 1)}
        )


ODD = {
    "beyond.npy": lambda p: np.save(p, np.full((6, 2), 2**63 + 5, np.uint64)),
    "beyond.npz": lambda p: np.savez(p, x=np.full((6, 2), 2**63 + 5, np.uint64)),
    "beyond.pt": lambda p: torch.save(torch.full((6, 2), 2**63 + 5, dtype=torch.uint64), p),
    "encrypted.npz": save_encrypted,
    "huge.npz": save_huge,
    "float8.pt": lambda p: torch.save(torch.zeros(6, 2).to(torch.float8_e4m3fn), p),
    "complex.npy": lambda p: np.save(p, np.zeros((6, 2), complex)),
    "complex.pt": lambda p: torch.save(torch.zeros(6, 2, dtype=torch.complex64), p),
    "dates.npy": lambda p: np.save(p, np.zeros((6, 2), "datetime64[D]")),
    "durations.npy": lambda p: np.save(p, np.zeros((6, 2), "timedelta64[s]")),
    "fields.npy": lambda p: np.save(p, np.zeros(6, [("a", "f8"), ("b", "i4")])),
    "objects.npy": lambda p: np.save(p, np.array([[1, "a"]] * 6, dtype=object)),
    "words.npy": lambda p: np.save(p, np.array([["a", "b"]] * 6)),
    "bytes.npy": lambda p: np.save(p, np.array([[b"a", b"b"]] * 6)),
    "sparse.pt": lambda p: torch.save(torch.eye(6).to_sparse(), p),
    "nested.pt": lambda p: torch.save({"x": {"y": torch.eye(6)}}, p),
    "empty.npz": lambda p: np.savez(p),
    "scalar.npy": lambda p: np.save(p, 3.0),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_arrays_are_refused_in_a_sentence(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ODD[name](Path(name))
    refused_by_the_shell(["train", "--data", name, "--out", "run"], "expected", capsys)
    if name.endswith(".npy"):
        np.save("x.npy", np.eye(6))
        words = ["train", "--data", "x.npy", "--labels", name, "--out", "run"]
        refused_by_the_shell(words, "expected", capsys)


def test_wrong_whole_numbers_are_quoted_with_all_their_digits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = np.full(6, 4.000003)
    np.save("x.npy", np.eye(6) * 3)
    np.save("y.npy", labels)
    refused(ValueError, "got 4.000003 for example 0", Path("x.npy"), labels="y.npy")
    np.save("c.npy", np.array([[4.000003, 2.0]] * 6) * [[1], [2], [3], [4], [5], [6]])
    words = ["train", "--data", "c.npy", "--likelihood", "poisson", "--out", "run"]
    refused_by_the_shell(words, "got 4.00000", capsys)


def test_images_are_turned_and_taken_one_by_one(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    upright = image.fromarray(pixels)
    for orientation, operation in (
        (1, None),
        (3, image.Transpose.ROTATE_180),
        (6, image.Transpose.ROTATE_90),
        (8, image.Transpose.ROTATE_270),
        (2, image.Transpose.FLIP_LEFT_RIGHT),
    ):
        stored = upright if operation is None else upright.transpose(operation)
        exif = image.Exif()
        exif[0x0112] = orientation
        stored.save(tmp_path / f"{orientation}.png", exif=exif)
    assert (open_source(tmp_path).x == torch.from_numpy(pixels)).all()
    for name, frames in (("a.gif", 2), ("b.png", 3), ("c.tiff", 2)):
        folder = tmp_path / name
        folder.mkdir()
        more = [image.fromarray(pixels + n) for n in range(1, frames)]
        upright.save(folder / name, save_all=True, append_images=more)
        refused(ValueError, f"got {frames} frames in .*{name}", folder)


def test_one_image_in_colour_among_grey_ones_is_said(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for kind in ("P", "RGBA", "CMYK"):
        folder = tmp_path / kind
        write_images(folder, a="1.png", b="2.png")
        image.new("RGBA", (2, 3), (9, 8, 7, 255)).convert(kind).save(folder / "3.tiff")
        with pytest.warns(UserWarning, match=rf"3\.tiff is in colour \(mode {kind}\)"):
            assert open_source(folder).x.shape == (3, 3, 3, 2)


# Modules that are not fit to be imported


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise RuntimeError('no')", "RuntimeError: no; fix wrong"),
        ("import sys; sys.exit(3)", "SystemExit: 3; fix wrong"),
        ("raise SystemExit", "SystemExit; fix wrong"),
        ("import no_such_package", "no module 'no_such_package'"),
        ("from math import no_such_name", "cannot import name"),
        ("raise BaseException('x')", "BaseException: x"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("def f(:", "SyntaxError"),
        ("x = 1 / 0", "ZeroDivisionError"),
        ("def make():\n    raise SystemExit(0)", "SystemExit: 0; fix it"),
        ("def make():\n    raise KeyError('a')", "KeyError: 'a'; fix it"),
        ("def make():\n    return 3", "expected"),
        ("make = 3", "expected a function 'make'"),
        ("print('[/x] hello')", "expected a function 'make'"),
        ("raise ValueError('a\\nb' * 1000)", "ValueError: a b"),
        ("import sys; sys.path.clear(); x = 1", "expected a function 'make'"),
    ],
)
@pytest.mark.parametrize("command", ["check", "train"])
def test_modules_that_are_wrong_end_in_a_sentence(
    text, message, command, tmp_path, monkeypatch, capsys
):
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("wrong.py").write_text(text)
    np.save("x.npy", np.random.default_rng(0).normal(size=(30, 3)))
    words = {
        "check": ["check", "wrong:make"],
        "train": ["train", "--data", "x.npy", "--prior", "wrong:make", "--out", "run"],
    }
    monkeypatch.delitem(sys.modules, "wrong", raising=False)
    if command == "check" and text.startswith("def make"):  # of which the kit says that it fails
        with pytest.raises(SystemExit) as stopped:
            main(words[command])
        assert stopped.value.code == 1
        assert message.partition(";")[0] in " ".join(capsys.readouterr().out.split())
    else:
        refused_by_the_shell(words[command], message, capsys)
    monkeypatch.delitem(sys.modules, "wrong", raising=False)


def test_idx_files_that_claim_too_much_are_refused(tmp_path):
    content = write_idx(tmp_path / "x-ubyte", np.zeros((5, 4), np.uint8))
    (tmp_path / "x-ubyte").write_bytes(content[:4] + b"\xff" * 8 + content[12:])
    refused(ValueError, "expected 18446744065119617037 bytes", tmp_path / "x-ubyte")


def test_a_split_by_nothing_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(20))
    for share in (float("nan"), -1.0, 1.0, float("inf")):
        with pytest.raises(ValueError, match="expected fractions"):
            open_data(tmp_path / "x.npy", test=share)
