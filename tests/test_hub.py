"""The hub: two files and a card, in a folder or in a repository of somebody's."""

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

import priory
from priory import (
    MLP,
    VAE,
    BernoulliDecoder,
    ExemplarPrior,
    GaussianEncoder,
    MoGPrior,
    VampPrior,
    hub,
)
from priory.priors import prior_class


def small_vae(prior=None) -> VAE:
    encoder = GaussianEncoder(MLP((6,), (4,), (8,)), data_range=(0, 1))
    return VAE(encoder, BernoulliDecoder(MLP((2,), (6,), (8,))), prior or VampPrior(3, (6,))).eval()


class NotThereError(Exception):
    pass


class FakeHub:
    """A hub of folders, with the functions of huggingface_hub that are called."""

    def __init__(self, home: Path):
        self.home, self.calls = home, []

    def api(self, token=None):
        self.calls.append(("token", token))
        return self

    def folder(self, repo_id, revision):
        folder = self.home / repo_id / (revision or "main")
        if not folder.is_dir():
            raise NotThereError(repo_id)
        return folder

    def model_info(self, repo_id, revision=None, files_metadata=False):
        assert files_metadata
        files = self.folder(repo_id, revision).iterdir()
        siblings = [SimpleNamespace(rfilename=f.name, size=f.stat().st_size) for f in files]
        return SimpleNamespace(siblings=siblings)

    def create_repo(self, repo_id, private=None, exist_ok=False):
        self.calls.append(("create", repo_id, private))
        (self.home / repo_id / "main").mkdir(parents=True, exist_ok=exist_ok)

    def create_branch(self, repo_id, branch, exist_ok=False):
        (self.home / repo_id / branch).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(self, repo_id, folder_path, revision, allow_patterns, **more):
        self.calls.append(("upload", more["commit_message"], more["create_pr"]))
        for name in allow_patterns:
            shutil.copy(Path(folder_path) / name, self.folder(repo_id, revision))
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}")

    def snapshot_download(self, repo_id, revision=None, allow_patterns=(), **options):
        self.calls.append(("download", revision, options))
        target = self.home / "cache" / repo_id
        target.mkdir(parents=True, exist_ok=True)
        for name in allow_patterns:
            shutil.copy(self.folder(repo_id, revision) / name, target)
        return str(target)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    made = FakeHub(tmp_path / "hub")
    module, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
    module.HfApi, module.snapshot_download = made.api, made.snapshot_download
    for name in ("EntryNotFoundError", "RepositoryNotFoundError", "RevisionNotFoundError"):
        setattr(errors, name, NotThereError)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    monkeypatch.chdir(tmp_path)
    return made


def test_a_model_and_a_prior_go_to_the_hub_and_come_back(fake):
    vae = small_vae()
    x = torch.rand(4, 6)
    address = hub.push_to_hub(vae, "me/model", token="secret", private=True, create_pr=True)
    assert address == "https://hub/me/model"
    assert ("create", "me/model", True) in fake.calls
    assert ("token", "secret") in fake.calls
    assert ("upload", "A model of Priory", True) in fake.calls
    assert {f.name for f in (fake.home / "me/model/main").iterdir()} == {
        "README.md",
        "model.json",
        "model.safetensors",
    }
    for loaded in (priory.load("hf://me/model"), hub.from_pretrained("me/model")):
        assert loaded.encode(x).equal(vae.encode(x))
        assert (
            loaded.prior(loaded.encoder)
            .log_prob(x[:, :2])
            .equal(vae.prior(vae.encoder).log_prob(x[:, :2]))
        )
    prior = MoGPrior(2, 5)
    hub.push_to_hub(prior, "hf://me/prior@v1")
    again = priory.load("hf://me/prior@v1")
    assert again().log_prob(x[:, :2]).equal(prior().log_prob(x[:, :2]))
    hub.from_pretrained("me/prior", revision="v1", local_files_only=True, cache_dir="here")
    options = {"token": None, "cache_dir": "here", "local_files_only": True}
    assert fake.calls[-1] == ("download", "v1", options)
    with pytest.raises(FileNotFoundError, match="hf://me/prior at v2, found none"):
        priory.load("hf://me/prior@v2")


def test_sizes_are_looked_at_before_anything_is_downloaded(fake):
    hub.push_to_hub(small_vae(), "me/model")
    downloads = [call for call in fake.calls if call[0] == "download"]
    with pytest.raises(ValueError, match=r"at most 100 bytes of model.safetensors .* max_bytes="):
        hub.from_pretrained("me/model", max_bytes=100)
    description = fake.home / "me/model/main/model.json"
    description.write_text(description.read_text() + " " * 2**20)
    with pytest.raises(ValueError, match=r"bytes of model\.json"):
        priory.load("hf://me/model")
    description.unlink()
    with pytest.raises(FileNotFoundError, match=r"found no model.json .* another library"):
        priory.load("hf://me/model")
    assert [call for call in fake.calls if call[0] == "download"] == downloads


def test_code_in_a_strangers_file_is_not_run(fake):
    hub.push_to_hub(small_vae(), "stranger/model")
    file = fake.home / "stranger/model/main/model.json"
    text = json.loads(file.read_text())
    text["model"]["prior"] = {"class": "os.system", "arguments": {"command": "touch ran"}}
    file.write_text(json.dumps(text))
    (fake.home / "stranger/model/main/evil.py").write_text("open('ran', 'w')")
    with pytest.raises(ValueError, match=r"'os\.system'"):
        priory.load("hf://stranger/model")
    text["model"]["prior"] = {"class": "MoGPrior", "arguments": {"latent_dim": 2}}
    text["model"]["prior"]["arguments"]["num_components"] = 10**12
    file.write_text(json.dumps(text))
    with pytest.raises(ValueError, match="expected"):
        priory.load("hf://stranger/model")
    assert not Path("ran").exists()
    assert not (fake.home / "cache/stranger/model/evil.py").exists()


def test_a_folder_is_enough_and_needs_no_hub(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    vae = small_vae()
    hub.save_pretrained(vae, tmp_path / "model")
    assert hub.from_pretrained(tmp_path / "model").num_labels is None
    with pytest.raises(ImportError, match=r'pip install "priory\[hub\]"'):
        hub.from_pretrained("user/repo")
    for where in ("nowhere", "hf://user", "hf://user/repo/file", "../x/y"):
        with pytest.raises((ValueError, ImportError), match=r"expected a folder|hub"):
            hub.from_pretrained(where)


def test_the_card_says_what_it_is():
    numbers = {"nll": 80.123456789, "elbo": -81.0, "unit": "bits", "num_data": 12}
    text = hub.card(small_vae(), numbers, "priory train --data digits")
    assert text.startswith("---\nlibrary_name: priory\n")
    for line in (
        "| components K | 3 |",
        "| latent dimensions L | 2 |",
        "| data range | (0.0, 1.0) |",
        "| decoder | BernoulliDecoder |",
        "| nll | 80.1235 |",
        "| num_data | 12 |",
        "priory train --data digits",
    ):
        assert line in text, line
    assert "VampPrior(num_components=3" in text
    assert "bits" not in text
    assert "## Numbers" not in hub.card(prior_class("standard")(2))


def test_exemplars_are_pushed_on_request_alone(fake):
    prior = ExemplarPrior()
    vae = small_vae(prior)
    prior.fit_data(torch.rand(5, 6), vae.encoder)
    hub.push_to_hub(vae, "me/model")
    assert len(priory.load("hf://me/model").prior.exemplars) == 0
    hub.push_to_hub(vae, "me/model", exemplars=True)
    assert len(priory.load("hf://me/model").prior.exemplars) == 5


def test_a_part_of_your_own_is_passed(fake):
    vae = small_vae()
    vae.encoder = torch.nn.Sequential(vae.encoder)
    hub.push_to_hub(vae, "me/model")
    with pytest.raises(ValueError, match="the encoder as an argument"):
        priory.load("hf://me/model")
    own = torch.nn.Sequential(small_vae().encoder)
    assert hub.from_pretrained("me/model", encoder=own).encoder is own
