"""What `priory sample` writes, of models that were never trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import priory
import shell
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    CategoricalDecoder,
    ConditionalMoGPrior,
    ExemplarPrior,
    GaussianEncoder,
    MoGPrior,
    StandardPrior,
)
from priory.cli import main
from priory.data import Column, Columns, DataFormat
from priory.likelihoods import MixedDecoder

PEOPLE = Columns(
    (
        Column("height", "numeric", mean=170.0, scale=10.0),
        Column("eyes", "categorical", categories=("blue", "brown")),
        Column("children", "categorical", categories=(0, 1, 2)),
    ),
    label="class",
)
CLASSES = ("red", "green", "blue")


def written(path: Path, vae: VAE, form: DataFormat, **config: object) -> VAE:
    priory.save(vae.eval(), path)
    form.write(path)
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    return vae


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A model of images whose component 2 makes white, and each of the others black."""
    monkeypatch.chdir(tmp_path)
    prior = MoGPrior(2, num_components=3)
    with torch.no_grad():
        prior.logits.copy_(torch.tensor([0.5, 0.2, 0.3]).log())
        prior.loc.copy_(torch.tensor([[-9.0, 0.0], [-9.0, 9.0], [9.0, 0.0]]))
    decoder = CategoricalDecoder(network := MLP((2,), (4, 4, 17), hidden_sizes=()))
    linear = next(m for m in network.modules() if isinstance(m, torch.nn.Linear))
    weight = torch.zeros(4, 4, 17, 2)
    weight[..., 0, 0], weight[..., 16, 0] = 5.0, -5.0
    with torch.no_grad():
        linear.weight.copy_(weight.flatten(0, 2))
        linear.bias.zero_()
    encoder = GaussianEncoder(MLP((4, 4), (4,)), data_range=(0, 16))
    return written(Path("run"), VAE(encoder, decoder, prior), DataFormat("x", (4, 4), "uint8"))


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A model of a table, with a prior for each class."""
    monkeypatch.chdir(tmp_path)
    prior = ConditionalMoGPrior(2, num_components=2, num_labels=3)
    with torch.no_grad():
        prior.loc[:, :, 0] = torch.tensor([-50.0, 0.0, 50.0])[:, None]
    decoder = MixedDecoder(MLP((2,), (6,), hidden_sizes=()), PEOPLE.spans)
    vae = VAE(GaussianEncoder(MLP((6,), (4,))), decoder, prior)
    return written(Path("run"), vae, DataFormat("people", (6,), "float32", None, CLASSES, PEOPLE))


def refused(words: list[str], message: str, capsys) -> None:
    before = sorted(Path().rglob("*"))
    shell.refused(["sample", *words], message, capsys)
    assert sorted(Path().rglob("*")) == before


def test_images_are_written_by_the_ending(images, capsys):
    main(["sample", "run"])
    main(["sample", "run", "--out", "x.npy"])
    main(["sample", "run", "--out", "x.csv"])
    main(["sample", "run", "--out", "x.pdf", "-n", "2"])
    assert "64 samples of MoGPrior: samples.png." in capsys.readouterr().out
    assert Path("samples.png").read_bytes()[:4] == b"\x89PNG"
    assert Path("x.pdf").read_bytes()[:4] == b"%PDF"
    x, rows = np.load("x.npy"), np.loadtxt("x.csv", delimiter=",", skiprows=1)
    assert x.shape == (64, 4, 4)
    assert set(np.unique(x)) == {0, 16}
    assert 0.5 < (x == 16).mean() < 0.9  # expected 0.7
    assert np.array_equal(rows, x.reshape(64, 16))
    assert Path("x.csv").read_text().startswith("x1,x2,")


def test_a_seed_repeats_the_draws(images):
    for number, seed in enumerate((1, 1, 2)):
        main(["sample", "run", "-n", "9", "--seed", str(seed), "--out", f"{number}.npy"])
    first, again, other = (np.load(f"{number}.npy") for number in range(3))
    assert len(first) == 9
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_components_are_drawn_from_alone_or_in_turn(images):
    main(["sample", "run", "--component", "2", "-n", "30", "--out", "one.npy"])
    assert (np.load("one.npy") == 0).all()  # to the right of the latent space
    main(["sample", "run", "--component", "1", "-n", "30", "--out", "two.npy"])
    assert (np.load("two.npy") == 16).all()
    main(["sample", "run", "--per-component", "--out", "all.npy"])
    x = np.load("all.npy")
    assert x.shape == (3, 8, 4, 4)
    assert [set(row.ravel()) for row in x] == [{16}, {0}, {16}]  # components 0, 2 and 1
    main(["sample", "run", "--per-component", "-n", "2", "--out", "all.csv"])
    rows = np.loadtxt("all.csv", delimiter=",", skiprows=1)
    assert rows[:, 0].tolist() == [0, 0, 2, 2, 1, 1]
    main(["sample", "run", "--per-component", "--out", "all.png"])
    assert Path("all.png").stat().st_size > 1000


def test_the_mean_is_that_of_the_likelihood(images):
    main(["sample", "run", "--component", "0", "-n", "5", "--mean", "--out", "mean.npy"])
    mean = np.load("mean.npy")
    assert np.allclose(mean, 16, atol=1e-3)
    main(["sample", "run", "-n", "5", "--mean", "--out", "all.npy"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = images.prior_distribution().sample((5,))
    probs = images.likelihood(z).base_dist.probs.detach()
    assert np.allclose(np.load("all.npy"), sum(v * probs[..., v] for v in range(17)), atol=1e-4)


def test_a_table_is_in_its_own_units(table):
    pandas = pytest.importorskip("pandas")
    main(["sample", "run", "--label", "green", "-n", "200"])
    found = pandas.read_csv("samples.csv")
    assert list(found) == ["class", "height", "eyes", "children"]
    assert set(found["class"]) == {"green"}
    assert set(found["eyes"]) == {"blue", "brown"}
    assert set(found["children"]) <= {0, 1, 2}
    assert abs(found["height"].mean() - 170) < 30
    main(["sample", "run", "--label", "green", "-n", "200", "--out", "x.npy"])
    main(["sample", "run", "--label", "green", "-n", "200", "--out", "x.parquet"])
    rows = np.load("x.npy")  # without pickle
    assert rows["eyes"].tolist() == found["eyes"].tolist()
    assert np.allclose(rows["height"], found["height"])
    pandas.testing.assert_frame_equal(pandas.read_parquet("x.parquet"), found)
    main(["sample", "run", "--label", "red", "--per-component", "-n", "3", "--out", "c.csv"])
    assert pandas.read_csv("c.csv")["component"].value_counts().to_dict() == {0: 3, 1: 3}
    (part := DataFormat.read(Path("run")).open("samples.csv")).tensor()
    assert part.labels.tolist() == [1] * 200  # it is read as the table trained on


def test_labels_choose_the_prior(table):
    pytest.importorskip("pandas")
    with torch.no_grad():
        heights = table.likelihood(torch.tensor([[0.0, 0.0], [1.0, 0.0]])).mean[:, 0]
    means = []
    for label in CLASSES:
        main(["sample", "run", "--label", label, "-n", "50", "--out", f"{label}.npy"])
        means.append(np.load(f"{label}.npy")["height"].mean())
    step = 10 * 50 * float(heights[1] - heights[0])
    assert np.allclose(np.diff(means), step, atol=abs(step) / 4)


def test_labels_are_as_frequent_as_in_the_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x=np.zeros((40, 5)), labels=np.repeat([0, 1], [4, 36]))
    prior = ConditionalMoGPrior(2, num_components=2, num_labels=2)
    vae = VAE(GaussianEncoder(MLP((5,), (4,))), BernoulliDecoder(MLP((2,), (5,))), prior)
    written(Path("run"), vae, DataFormat("x", (5,), "float64"), data="x.npz", test=0.5)
    main(["sample", "run", "-n", "500", "--out", "x.csv"])
    label = np.loadtxt("x.csv", delimiter=",", skiprows=1)[:, 0]
    assert 0.75 < label.mean() < 1
    main(["sample", "run", "-n", "5", "--label", "0", "--out", "y.csv"])
    assert np.loadtxt("y.csv", delimiter=",", skiprows=1)[:, 0].tolist() == [0] * 5
    plain = VAE(vae.encoder, vae.decoder, StandardPrior(2))
    written(Path("plain"), plain, DataFormat("x", (5,), "float64"), data="x.npz", test=0.5)
    main(["sample", "plain", "-n", "5", "--label", "1", "--out", "z.csv"])  # an estimate
    assert np.loadtxt("z.csv", delimiter=",", skiprows=1)[:, 0].tolist() == [1] * 5
    refused(["plain", "--label", "7"], "expected a label from 0 to 1, got 7", capsys)


def test_a_prior_made_of_training_data_is_given_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", x := np.eye(5)[np.arange(40) % 5])
    vae = VAE(GaussianEncoder(MLP((5,), (4,))), BernoulliDecoder(MLP((2,), (5,))), ExemplarPrior())
    vae.prior.fit_data(torch.from_numpy(x).float(), vae.encoder)
    written(Path("run"), vae, DataFormat("x", (5,), "float64"), data="x.npy")
    main(["sample", "run", "-n", "3", "--out", "s.npy"])
    assert np.load("s.npy").shape == (3, 5)
    Path("x.npy").unlink()
    refused(["run"], "put them back", capsys)


def test_what_cannot_be_drawn_is_said(images, capsys):
    Path("there.png").touch()
    for words, message in (
        ("--out there.png", "expected a file that does not exist yet"),
        ("--out x.jpg", "ends in .png, .pdf, .csv, .parquet, .npy, got x.jpg"),
        ("--out no/x.png", "expected a directory at no"),
        ("-n 0", "expected at least one sample, got n=0"),
        ("-n 5000", "at most 4096 images in a picture, got 5000"),
        ("--component 3", "expected a component from 0 to 2, got 3"),
        ("--component -1", "expected a component from 0 to 2, got -1"),
        ("--component 1 --per-component", "leave one out"),
        ("--label 3", "a model that takes none, got 3"),
    ):
        refused(["run", *words.split()], message, capsys)
    form = DataFormat("x", (4, 4), "uint8")
    written(Path("two/b"), VAE(images.encoder, images.decoder, StandardPrior(2)), form)
    refused(["two/b", "--component", "0"], "a mixture of components, got StandardPrior", capsys)
    written(Path("two/a"), images, form)
    refused(["two"], "choose one of two/a, two/b", capsys)


def test_pictures_are_for_images(table, capsys):
    refused(["run", "--out", "x.png"], "in .csv, .parquet, .npy (pictures are for images)", capsys)
    refused(["run", "--label", "rde"], "did you mean red?", capsys)
    refused(["run", "--component", "0"], "name it with --label", capsys)
    refused(["run"], "expected the data of run in its config.yaml", capsys)
