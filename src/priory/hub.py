"""Models and priors on the Hugging Face hub, or in folders with the same files."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from priory.extras import needs
from priory.files import write_whole
from priory.priors import Prior
from priory.saving import DESCRIPTION, WEIGHTS, load, save
from priory.vae import VAE

CARD = "README.md"
SCHEME = "hf://"
MOST_DESCRIPTION = 2**20
MOST_WEIGHTS = 2**31
"""The maximum number of bytes to download per file, unless more are allowed."""


def save_pretrained(
    model: VAE | Prior,
    path: str | Path,
    *,
    numbers: Mapping[str, float] | None = None,
    command: str | None = None,
    exemplars: bool = False,
) -> None:
    """Save a model, or a prior on its own, to a folder, with a card that describes it.

    Args:
        model: The model, or the prior.
        path: The folder, created if it does not exist.
        numbers: Measurements for the card, such as `evaluate(model, x).numbers`.
        command: The command that repeats the training, for the card.
        exemplars: Whether to save the exemplars of an `ExemplarPrior`, which are training data.

    Raises:
        TypeError: If it is neither a model nor a prior.

    Examples:
        >>> import tempfile
        >>> from priory import MoGPrior, hub
        >>> with tempfile.TemporaryDirectory() as path:
        ...     hub.save_pretrained(MoGPrior(2, num_components=16), path)
        ...     hub.from_pretrained(path).num_components
        16
    """
    save(model, path, exemplars=exemplars)
    write_whole(Path(path) / CARD, card(model, numbers, command).encode())


def from_pretrained(
    where: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    max_bytes: int = MOST_WEIGHTS,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    prior: nn.Module | None = None,
) -> Any:
    """Load a model, or a prior on its own, from a folder or from the hub.

    Two files are downloaded, the weights in safetensors and their description in JSON, after their
    sizes are checked; only Priory's own classes are built, no code is run, nothing is unpickled.

    Args:
        where: A folder, or `user/repo` or `hf://user/repo` on the hub.
        revision: A branch, a tag or a commit; by default the newest commit. Name a commit to be
            sure that the model does not change.
        token: The token of the hub, for a repository that is not public.
        cache_dir: Where downloads are kept, by default the cache of the hub's library.
        local_files_only: Whether to use only earlier downloads, without the network.
        max_bytes: The maximum number of bytes of weights to download, by default 2 GiB.
        encoder: The encoder, if it is the user's own class; its weights are loaded.
        decoder: The same for the decoder.
        prior: The same for the prior.

    Returns:
        A `VAE`, or the `Prior`, in evaluation mode.

    Raises:
        FileNotFoundError: If there is no such repository, revision or saved model.
        ImportError: If huggingface_hub is not installed.
        ValueError: If a file is too large, or cannot be loaded.
    """
    parts = {"encoder": encoder, "decoder": decoder, "prior": prior}
    if not str(where).startswith(SCHEME) and Path(where).is_dir():
        return load(where, **parts)
    where, at = _repository(str(where))
    folder = download(
        where,
        revision or at,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        max_bytes=max_bytes,
    )
    return load(folder, **parts)


def push_to_hub(
    model: VAE | Prior,
    repo_id: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    commit_message: str = "A model of Priory",
    create_pr: bool = False,
    numbers: Mapping[str, float] | None = None,
    command: str | None = None,
    exemplars: bool = False,
) -> str:
    """Upload a model, or a prior on its own, with its card; create the repository if needed.

    Args:
        model: The model, or the prior.
        repo_id: The repository, `user/repo`.
        revision: The branch, created if needed; by default the main one.
        private: Whether a newly created repository is private.
        token: The token of the hub; by default the one configured in its library.
        commit_message: The message of the commit.
        create_pr: Whether to open a pull request instead of committing directly.
        numbers: Measurements for the card.
        command: The command that repeats the training, for the card.
        exemplars: Whether to upload the exemplars of an `ExemplarPrior`, which are training data.

    Returns:
        The address of the commit.

    Raises:
        ImportError: If huggingface_hub is not installed.
        TypeError: If it is neither a model nor a prior.
    """
    with needs("hub"):
        from huggingface_hub import HfApi
    repo_id, at = _repository(repo_id)
    revision, api = revision or at, HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder, numbers=numbers, command=command, exemplars=exemplars)
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message,
            create_pr=create_pr,
            allow_patterns=[DESCRIPTION, WEIGHTS, CARD],
        )
    return str(getattr(commit, "commit_url", commit))


def download(
    where: str,
    revision: str | None = None,
    *,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    max_bytes: int = MOST_WEIGHTS,
) -> Path:
    """Download a saved model, and return its folder; the arguments are `from_pretrained`'s.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If a file is too large.
    """
    with needs("hub"):
        from huggingface_hub import HfApi, snapshot_download
        from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
        from huggingface_hub.errors import RevisionNotFoundError as NoRevision
    repo_id, at = _repository(where)
    revision = revision or at
    most = {DESCRIPTION: MOST_DESCRIPTION, WEIGHTS: max_bytes}
    try:
        if not local_files_only:
            info = HfApi(token=token).model_info(repo_id, revision=revision, files_metadata=True)
            sizes = {file.rfilename: file.size for file in info.siblings or []}
            _check_sizes(sizes, most, where)
        folder = snapshot_download(
            repo_id,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            allow_patterns=[DESCRIPTION, WEIGHTS],
        )
    except (EntryNotFoundError, NoRevision, RepositoryNotFoundError) as error:
        named = "" if revision is None else f" at {revision}"
        raise FileNotFoundError(
            f"expected a model at {SCHEME}{repo_id}{named}, found none that can be read; check the "
            "name, and give token= if it is not public."
        ) from error
    files = {file.name: file.stat().st_size for file in Path(folder).iterdir() if file.is_file()}
    _check_sizes(files, most, where)
    return Path(folder)


def card(
    model: VAE | Prior, numbers: Mapping[str, float] | None = None, command: str | None = None
) -> str:
    """Return a description of a model, in Markdown after the metadata for the hub.

    Examples:
        >>> from priory import MoGPrior, hub
        >>> print(hub.card(MoGPrior(2, num_components=16)).splitlines()[7])
        # MoGPrior
    """
    prior: Any = model.prior if isinstance(model, VAE) else model
    name = type(prior).__name__
    title = f"A variational auto-encoder with a {name}" if isinstance(model, VAE) else name
    facts = {
        "prior": f"`{prior}`",
        "components K": getattr(prior, "num_components", None),
        "latent dimensions L": _latent_dim(model),
        "data range": getattr(getattr(model, "encoder", prior), "data_range", None),
        "decoder": type(model.decoder).__name__ if isinstance(model, VAE) else None,
    }
    rows = [f"| {what} | {value} |" for what, value in facts.items() if value is not None]
    lines = [
        "---",
        "library_name: priory",
        "tags:",
        "- priory",
        "- latent-variable-model",
        "---",
        "",
        f"# {title}",
        "",
        "| | |",
        "|---|---|",
        *rows,
        "",
        "```python",
        "import priory",
        "",
        'model = priory.load("hf://user/repo")  # the name of this repository',
        "```",
    ]
    if numbers:
        measured = {n: v for n, v in numbers.items() if isinstance(v, int | float)}
        shown = [f"| {what} | {value:.6g} |" for what, value in measured.items()]
        lines += [
            "",
            "## Numbers",
            "",
            "| densities in nats | |",
            "|---|---|",
            *shown,
        ]
    if command:
        lines += ["", "## The command that repeats the run", "", "```sh", command, "```"]
    return "\n".join([*lines, ""])


def _latent_dim(model: VAE | Prior) -> int | None:
    """Return the number of latent dimensions, from a prior or its distribution."""
    if not isinstance(model, VAE):
        return getattr(model, "latent_dim", None)
    context = model.context_of(torch.zeros(1).long() if model.needs_labels else None)
    try:
        return model.prior_distribution(context).event_shape[0]
    except RuntimeError:  # for missing exemplars
        return None


def _check_sizes(sizes: Mapping[str, int | None], most: Mapping[str, int], where: str) -> None:
    if missing := [name for name in most if name not in sizes]:
        raise FileNotFoundError(
            f"expected a Priory model at {where}, found no {missing[0]} there; it is from another "
            "library, or was not uploaded with priory.hub.push_to_hub."
        )
    for name, allowed in most.items():
        size = sizes[name]
        if size is not None and size > allowed:
            raise ValueError(
                f"expected at most {allowed:,} bytes of {name} at {where}, got {size:,}; if you "
                "trust the weights, allow more with max_bytes=."
            )


def _repository(where: str) -> tuple[str, str | None]:
    """Return the repository, and the revision after an @."""
    match = re.fullmatch(rf"(?:{SCHEME})?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", where)
    if match is None:
        raise ValueError(
            f"expected an existing folder, or a repository of the hub as {SCHEME}user/repo or "
            f"{SCHEME}user/repo@revision, got {where!r}."
        )
    return match[1], match[2]
