"""Rows that people can use: labels of samples, scores that are known by their ids, gaps filled."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import priory
from linear import WEIGHT, data_distribution, exact_encoder, linear_data, linear_vae
from priory import MLP, VAE, GaussianEncoder, GaussianMixture, MoGPrior, StandardPrior
from priory.cli import main
from priory.data import Column, Columns, DataFormat, open_data
from priory.data.tables.gaps import open_gaps
from priory.evaluation import LogProb, impute, negative_log_likelihood
from priory.evaluation.latent_labels import latent_labels
from priory.likelihoods import MixedDecoder
from shell import SAMPLES, refused

pandas = pytest.importorskip("pandas")
N = 400


def people(count: int = N) -> "pandas.DataFrame":
    rng = np.random.default_rng(3)
    z = rng.normal(size=count)
    noise = rng.normal(size=(3, count))
    return pandas.DataFrame(
        {
            "id": [f"p{row}" for row in range(count)],
            "height": 170 + 10 * z + noise[0],
            "weight": (70 + 12 * z + 2 * noise[1]).round(1),
            "income": np.exp(8 + 0.8 * z + 0.3 * noise[2]),
            "children": rng.poisson(1.5, count),
            "size": np.where(z > 0, "large", "small"),
            "team": np.where(z > 0.3, "red", "blue"),
        }
    )


def vae_of_people(columns: Columns) -> VAE:
    """A model in which all that people have follows the first latent dimension."""
    decoder = MixedDecoder(MLP((2,), (6,), hidden_sizes=()), columns.spans)
    encoder = GaussianEncoder(MLP((6,), (4,), hidden_sizes=()), data_range=(-1, 1))
    prior = MoGPrior(2, num_components=7)
    spread = torch.linspace(-1.5, 1.5, 7)[:, None] * torch.tensor([1.0, 0.0])
    with torch.no_grad():
        for part in (encoder, decoder):
            for parameter in part.parameters():
                parameter.zero_()
        linear = [next(p for p in part.parameters() if p.dim() == 2) for part in (encoder, decoder)]
        # Height, weight, income, children, large and small.
        linear[0][0, :2] = 0.5
        linear[1][:, 0] = torch.tensor([1.0, 1.0, 0.8, 0.0, 4.0, -4.0])
        next(p for p in encoder.parameters() if p.dim() == 1)[2:] = -1.5
        decoder.log_spread.copy_(torch.tensor([0.15, 0.2, 0.6, 1.0]).log())
        prior.loc.copy_(spread)
        prior.log_scale[:, 0] = -0.8
    return VAE(encoder, decoder, prior).eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a table that has ids and labels, of which its model is not told."""
    folder = tmp_path_factory.mktemp("rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        people().to_csv("people.csv", index=False)
        options = {"label": "team", "drop": ["id"]}
        splits = open_data("people.csv", options=options)
        vae = vae_of_people(splits.columns)
        priory.save(vae, "run")
        DataFormat.of(splits).write(Path("run"))
        config = {"data": "people.csv", "data_options": options}
        Path("run/config.yaml").write_text(yaml.safe_dump(config))
        test = splits.test.tensor()
        LogProb.of(test, -negative_log_likelihood(vae, test, 8).per_datum).write(Path("run"))
    return folder


@pytest.mark.parametrize("gaps", [[1], [0, 2]])
def test_draws_have_the_exact_conditional_of_a_linear_gaussian_model(gaps):
    """With an encoder too wide by 1.7, with which pseudo-Gibbs alone is off by 0.5 and more."""
    vae = linear_vae(StandardPrior(2), exact_encoder(widen=1.7))
    x, missing = linear_data(1), torch.zeros(1, 3, dtype=torch.bool)
    missing[:, gaps] = True
    draws = impute(vae, x, missing, num_draws=4000, num_steps=50)
    there = [d for d in range(3) if d not in gaps]
    assert draws.x[:, 0, there].equal(x[:, there].expand(4000, -1))
    covariance = data_distribution().covariance_matrix
    weights = covariance[gaps][:, there] @ torch.linalg.inv(covariance[there][:, there])
    mean = weights @ x[0, there]
    variance = covariance[gaps][:, gaps] - weights @ covariance[there][:, gaps]
    drawn = draws.x[:, 0, gaps]
    assert torch.allclose(drawn.mean(0), mean, atol=0.05)
    assert torch.allclose(drawn.T.cov().reshape(variance.shape), variance, atol=0.1)
    assert 0.1 < draws.acceptance < 0.9


def test_masked_cells_are_nearer_than_the_mean(run, monkeypatch, capsys):
    monkeypatch.chdir(run)
    whole = people()
    gappy = whole.astype({"children": object})
    rng = np.random.default_rng(0)
    for name in ("height", "weight", "income", "children", "size"):
        gappy.loc[rng.random(N) < 0.2, name] = None
    gappy.to_csv("gaps.csv", index=False)
    words = ["impute", "run", "--data", "gaps.csv", "--steps", "40"]
    main([*words, "--draws", "5", "--out", "five.csv"])
    missing = int(gappy.isna().sum().sum())
    assert f"{missing} missing cells of" in " ".join(capsys.readouterr().out.split())
    filled = pandas.read_csv("five.csv")
    assert list(filled) == ["draw", *whole]
    assert len(filled) == 5 * N
    assert not filled.isna().any().any()
    stacked = pandas.concat([gappy] * 5, ignore_index=True)
    for name in whole:
        there = stacked[name].notna()
        if whole[name].dtype.kind == "f":
            assert np.allclose(filled[name][there], stacked[name][there].astype(float), rtol=1e-12)
        else:
            assert (filled[name][there] == stacked[name][there]).all(), name
    assert filled["children"].dtype == np.int64
    assert filled["income"].min() >= whole["income"].min()
    of_rows = filled.groupby("id", sort=False).mean(numeric_only=True)
    for name in ("height", "weight"):
        gap = gappy[name].isna().to_numpy()
        error = of_rows[name].to_numpy()[gap] - whole[name][gap]
        assert np.sqrt((error**2).mean()) < 0.7 * whole[name].std(), name
    gap = stacked["size"].isna()
    right = filled["size"][gap].to_numpy() == pandas.concat([whole] * 5)["size"].to_numpy()[gap]
    assert right.mean() > 0.7
    main([*words, "--out", "one.parquet"])
    assert list(pandas.read_parquet("one.parquet")) == list(whole)
    main(["encode", "run", "--data", "five.csv", "--out", "z.npy"])  # it is read again
    assert np.load("z.npy").shape == (5 * N, 2)


def test_what_cannot_be_filled_in_is_said(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(run)
    few = people(9)
    for name, table in {
        "absent": few.drop(columns="weight"),
        "other": few.assign(size=["huge", *few["size"][1:]]),
        "drawn": few.assign(draw=3),
        "text": few.assign(height="tall"),
    }.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    for words, message in (
        ([], "name it with --data"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--data", "x.h5ad"], "expected a table, whose name ends in"),
        (["--data", str(tmp_path / "absent.csv")], "expected the column 'weight'"),
        (["--data", str(tmp_path / "other.csv")], "got 'huge' in row 0"),
        (["--data", str(tmp_path / "text.csv")], "got 'tall' in row 0"),
        (["--data", str(tmp_path / "drawn.csv"), "--draws", "2"], "rename it"),
        (["--data", "people.csv", "--draws", "0"], "draws"),
        (["--data", "people.csv", "--steps", "0"], "steps"),
        (["--data", "people.csv", "--out", "people.csv"], "does not exist yet"),
    ):
        refused(["impute", "run", *words], message, capsys)


def test_a_category_of_missing_values_is_filled_in_too(tmp_path):
    column = Column("a", "categorical", categories=("u", "v", "missing"), fill="missing")
    columns = Columns((column, Column("b", "numeric", mean=2.0, scale=2.0)))
    (tmp_path / "t.csv").write_text("a,b\nu,4\nmissing,\n,2\n")
    table = open_gaps(tmp_path / "t.csv", columns)
    assert table.missing.tolist() == [[False] * 4, [True] * 4, [True] * 3 + [False]]
    assert table.num_missing == 3
    assert table.x[0].tolist() == [1, 0, 0, 1]


def test_numbers_beyond_the_range_are_drawn_again_and_not_piled_up(run, monkeypatch):
    monkeypatch.chdir(run)
    main(["sample", "run", "-n", "600", "--out", "many.csv"])
    made, data = pandas.read_csv("many.csv"), people()
    assert made["children"].dtype == np.int64
    for name in ("height", "weight", "income", "children"):
        assert made[name].between(data[name].min(), data[name].max()).all()
    low = data["income"].min()
    assert (made["income"] <= low * (1 + 1e-6)).mean() < 0.02


def test_samples_of_a_table_keep_its_labels(run, monkeypatch, capsys):
    monkeypatch.chdir(run)
    main(["sample", "run", "-n", "500", "--out", "all.csv"])
    said = " ".join(capsys.readouterr().out.split())
    assert "labels are an estimate, by components, from 320 training examples" in said
    made, data = pandas.read_csv("all.csv"), people()
    assert abs((made["team"] == "red").mean() - (data["team"] == "red").mean()) < 0.15
    gap = made.groupby("team")["height"].mean()
    assert gap["red"] - gap["blue"] > 8  # 16 in the data
    main(["sample", "run", "-n", "200", "--label", "red", "--out", "red.csv"])
    red = pandas.read_csv("red.csv")
    assert set(red["team"]) == {"red"}
    assert abs(red["height"].mean() - gap["red"]) < 3
    refused(["sample", "run", "--label", "green"], "expected one of the labels blue, red", capsys)
    both = ["sample", "run", "--label", "red", "--component", "0"]
    refused(both, "leave one out", capsys)


@pytest.mark.parametrize("prior", ["mixture", "standard"])
def test_labels_of_latents_are_where_they_were_seen(prior):
    """Of two labels that lie left and right of the middle."""
    if prior == "mixture":
        p = MoGPrior(2, num_components=2)
        with torch.no_grad():
            p.loc.copy_(torch.tensor([[-3.0, 0.0], [3.0, 0.0]]))
            p.logits.copy_(torch.tensor([0.8, 0.2]).log())
    else:
        p = StandardPrior(2)
    vae = linear_vae(p)
    z = torch.randn(600, 2) + torch.tensor([3.0, 0.0]) * (torch.arange(600)[:, None] % 2 * 2 - 1)
    x = z @ WEIGHT.mT
    labels = (vae.encode(x)[:, 0] > 0).long()
    estimate = latent_labels(vae, x, labels, 3)
    assert estimate.how.startswith("by components" if prior == "mixture" else "by a classifier")
    points = torch.tensor([[-2.5, 0.0], [2.5, 0.0]])
    probable = estimate.log_prob(points).exp()
    assert torch.allclose(probable.sum(1), torch.ones(2), atol=1e-5)
    assert probable[0, 0] > 0.9
    assert probable[1, 1] > 0.9
    assert estimate.labels_at(points.repeat(50, 1)).bincount(minlength=3)[2] == 0
    drawn = estimate.draw(1, 400)
    assert drawn.shape == (400, 2)
    assert (drawn[:, 0] > 0).float().mean() > 0.75
    assert (drawn[:, 0] > -1.5).float().mean() > 0.8
    if prior == "standard":
        with pytest.raises(ValueError, match="rarely generates it"):
            estimate.draw(2, 5)
    assert isinstance(vae.prior_distribution(), GaussianMixture) == (prior == "mixture")


def test_scores_keep_ids_and_have_percentiles(run, monkeypatch, capsys):
    monkeypatch.chdir(run)
    main(["score", "run", *SAMPLES, "--out", "own.csv"])
    own, data = pandas.read_csv("own.csv"), people()
    assert list(own) == ["row", "id", "log_prob", "percentile"]
    assert len(own) == 40
    assert (data["id"][own["row"]].to_numpy() == own["id"]).all()
    assert own["percentile"].mean() == pytest.approx(50)
    few = pandas.concat([data[:20], data[:1].assign(height=10.0, weight=900.0)])
    few.to_csv("few.csv", index=False)
    main(["score", "run", "--data", "few.csv", *SAMPLES, "--out", "few-scores.csv"])
    assert "percentiles are among 40 test data" in " ".join(capsys.readouterr().out.split())
    scores = pandas.read_csv("few-scores.csv")
    assert scores["id"].tolist() == few["id"].tolist()
    assert scores["percentile"].iloc[-1] == 0
    assert scores["percentile"][:20].max() > 50
    main(["score", "run", "--data", "few.csv", *SAMPLES, "--out", "few.npy"])
    assert np.load("few.npy").shape == (21,)
    assert Path("few.npy").exists()
