"""Models saved and loaded."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import priory
from cases import DATA, DATA_SHAPE, Case, make_encoder, over_cases
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    CategoricalDecoder,
    Context,
    ExemplarPrior,
    StandardPrior,
    VampPrior,
)

STORED = Path(__file__).parent / "stored_models"
Z = torch.linspace(-2, 2, 10).view(5, 1, 2).expand(5, 2, 2)  # for two data, where there are labels


def make_vae(prior) -> VAE:
    return VAE(make_encoder(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), prior)


class Foreign(nn.Module):
    """A module of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = make_encoder(seed=5)

    def forward(self, x, context=None):
        return self.encoder(x)


@over_cases
def test_a_model_comes_back_the_same(case: Case, tmp_path):
    vae = make_vae(case.build())
    priory.save(vae, tmp_path / "model")
    again = priory.load(tmp_path / "model")
    assert not again.training
    assert type(again.prior) is type(vae.prior)
    again.prior.fit_data(DATA, again.encoder)  # data are not saved
    again_p, p = (v.prior_distribution(case.context) for v in (again, vae))
    assert again_p.log_prob(Z).equal(p.log_prob(Z))
    assert again.decoder(Z).base_dist.logits.equal(vae.decoder(Z).base_dist.logits)


@over_cases
def test_a_module_built_on_the_meta_device_is_whole_once_it_is_loaded(case: Case, tmp_path):
    vae = make_vae(case.build())
    again = []
    for device in ("cpu", "meta"):
        with torch.device(device):
            again.append(make_vae(case.make()).eval())
    again[1].to_empty(device="cpu")
    for copy in again:
        copy.load_state_dict(vae.state_dict())
        copy.prior.fit_data(DATA, copy.encoder, case.context_for(len(DATA)))
    p, *others = (v.prior_distribution(case.context) for v in (vae, *again))
    assert all(other.log_prob(Z).equal(p.log_prob(Z)) for other in others)
    x = torch.rand(2, *DATA_SHAPE)
    assert again[1].encode(x).equal(vae.encode(x))


@over_cases
def test_a_prior_alone_comes_back_the_same(case: Case, tmp_path):
    prior, encoder = case.build(), make_encoder()
    priory.save(prior, tmp_path)
    again = priory.load(tmp_path)
    assert type(again) is type(prior)
    again.fit_data(DATA, encoder, case.context_for(len(DATA)))
    p, q = (one(encoder, case.context) for one in (prior, again))
    assert p.log_prob(Z).equal(q.log_prob(Z))


def test_exemplars_are_data_and_are_saved_on_request_alone(tmp_path):
    prior, encoder = ExemplarPrior(), make_encoder()
    prior.fit_data(DATA, encoder, Context(labels=torch.arange(5)))
    vae = make_vae(prior)
    priory.save(vae, tmp_path / "without")
    priory.save(vae, tmp_path / "with", exemplars=True)
    for folder, holds in (("without", False), ("with", True)):
        weights = load_file(tmp_path / folder / "model.safetensors")
        assert any("exemplars" in name for name in weights) is holds
    with pytest.raises(RuntimeError, match="before fit_data"):
        priory.load(tmp_path / "without").prior(encoder)
    again = priory.load(tmp_path / "with").prior
    assert again.labels.equal(torch.arange(5))
    assert again(encoder).log_prob(Z).equal(prior(encoder).log_prob(Z))


def test_saving_says_where_examples_are_held(tmp_path, caplog):
    exemplars = make_vae(ExemplarPrior())
    exemplars.prior.fit_data(DATA, exemplars.encoder)
    started = make_vae(VampPrior(3, DATA_SHAPE, init="data"))
    for model, options, said in (
        (started, {}, True),
        (started.prior, {}, True),
        (make_vae(VampPrior(3, DATA_SHAPE)), {}, False),
        (exemplars, {}, False),
        (exemplars, {"exemplars": True}, True),
    ):
        caplog.clear()
        priory.save(model, tmp_path, **options)
        assert ("contains training examples" in caplog.text) == said


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_of_every_type_that_is_written_is_read(dtype, tmp_path):
    vae = make_vae(VampPrior(3, DATA_SHAPE)).to(dtype)
    vae.encoder.float()  # not all of one type
    priory.save(vae, tmp_path)
    again = priory.load(tmp_path)
    state = vae.state_dict()
    assert all(
        v.dtype == state[k].dtype and v.equal(state[k]) for k, v in again.state_dict().items()
    )


def test_what_cannot_be_read_again_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match="expected a VAE or a Prior to save, got Linear"):
        priory.save(nn.Linear(2, 2), tmp_path / "model")
    vae = make_vae(StandardPrior(2))
    vae.decoder.network.to(torch.float8_e4m3fn)
    with pytest.raises(ValueError, match=r"got torch.float8_e4m3fn; convert the model first"):
        priory.save(vae, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_state_without_constants_is_refused_on_the_meta_device():
    state = VampPrior(3, DATA_SHAPE).state_dict()
    before = {key: value for key, value in state.items() if not key.endswith(("low", "width"))}
    ordinary = VampPrior(3, DATA_SHAPE, data_range=(0, 4))
    ordinary.load_state_dict(before)
    assert ordinary.width == 4
    with torch.device("meta"):
        prior = VampPrior(3, DATA_SHAPE)
    with pytest.raises(
        ValueError, match=r"expected the constant components\.inputs\.low"
    ) as caught:
        prior.to_empty(device="cpu").load_state_dict(before)
    assert "\n" not in str(caught.value)


def test_shapes_are_compared_before_memory_is_asked_for(tmp_path):
    priory.save(make_vae(VampPrior(3, DATA_SHAPE)), tmp_path)
    file = tmp_path / "model.json"
    description = json.loads(file.read_text())
    arguments = description["model"]["prior"]["arguments"]
    arguments["num_components"] = arguments["inputs"]["num_components"] = 10**12
    arguments["weights"]["num_components"] = 10**12
    file.write_text(json.dumps(description))
    with pytest.raises(ValueError, match="expected weights that fit the model"):
        priory.load(tmp_path)


def test_both_files_are_as_readable_as_any(tmp_path):
    priory.save(make_vae(StandardPrior(2)), tmp_path)
    (tmp_path / "any").touch()
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


def test_dtype_and_data_range_come_back(tmp_path):
    vae = VAE(
        priory.GaussianEncoder(MLP((4,), (4,)), data_range=(0, 16)),
        CategoricalDecoder(MLP((2,), (4, 17))),
        VampPrior(3, (4,), data_range=(0, 16), weights="uniform"),
    ).double()
    priory.save(vae, tmp_path)
    again = priory.load(tmp_path)
    assert again.prior.low.dtype == again.encoder.centre.dtype == torch.float64
    z = Z.double()
    assert again.prior(again.encoder).log_prob(z).equal(vae.prior(vae.encoder).log_prob(z))


@pytest.mark.parametrize("folder", sorted(STORED.iterdir()), ids=lambda folder: folder.name)
def test_models_of_every_format_version_load(folder):
    vae = priory.load(folder)
    expected = json.loads((folder / "expected.json").read_text())
    actual = vae.prior(vae.encoder).log_prob(torch.tensor(expected["z"]))
    torch.testing.assert_close(actual, torch.tensor(expected["log_prob"]))


def test_there_is_a_stored_model_of_the_current_version():
    versions = [json.loads((f / "model.json").read_text())["version"] for f in STORED.iterdir()]
    assert sorted(versions) == list(range(1, priory.saving.FORMAT_VERSION + 1))


def test_parts_of_your_own_are_passed_to_load(tmp_path):
    vae = VAE(Foreign(), BernoulliDecoder(MLP((2,), DATA_SHAPE, (8,))), StandardPrior(2))
    priory.save(vae, tmp_path)
    with pytest.raises(ValueError, match=r"load\(path, encoder=...\)"):
        priory.load(tmp_path)
    encoder = Foreign()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.zero_()
    again = priory.load(tmp_path, encoder=encoder)
    x = torch.rand(3, 4)
    assert again.encode(x).equal(vae.encode(x))
    with pytest.raises(ValueError, match="fit the model"):
        priory.load(tmp_path, encoder=make_encoder())


def test_no_name_in_the_file_is_imported(tmp_path):
    priory.save(make_vae(StandardPrior(2)), tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    for name in ("os.system", "torch.nn.Linear", "VAE", "__import__", ["MLP"], None):
        description["model"]["prior"] = {"class": name, "arguments": {}}
        (tmp_path / "model.json").write_text(json.dumps(description))
        with pytest.raises(ValueError, match="expected the prior to be described"):
            priory.load(tmp_path)


def test_damaged_models_are_refused_in_a_sentence(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(FileNotFoundError, match=r"found no model\.json there"):
        priory.load(path)
    priory.save(make_vae(StandardPrior(2)), path)
    whole, description = (
        (path / "model.safetensors").read_bytes(),
        json.loads((path / "model.json").read_text()),
    )

    def refused(match: str, **changes) -> None:
        (path / "model.json").write_text(json.dumps({**description, **changes}))
        with pytest.raises(ValueError, match=match) as caught:
            priory.load(path)
        assert "\n" not in str(caught.value)

    for size in (0, 7, 50, len(whole) - 4):
        (path / "model.safetensors").write_bytes(whole[:size])
        refused("truncated or damaged")
    (path / "model.safetensors").write_bytes(whole)
    refused("update Priory", version=99)
    refused("damaged or not Priory's", model=None, dtype="no_such_type")
    refused("Priory's format", format="somebody else's")
    for text in ("", "{", "[]", "3", '{"format": "priory"}'):
        (path / "model.json").write_text(text)
        with pytest.raises(ValueError, match="damaged or not Priory's"):
            priory.load(path)
    model = {**description["model"], "prior": {"class": "StandardPrior", "arguments": {"L": 2}}}
    refused("arguments of StandardPrior", model=model)
    refused("damaged", model=[])
    refused("damaged", model={**description["model"], "encoder": 3})
    refused("damaged", dtype="nn")
    (path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        priory.load(path)
