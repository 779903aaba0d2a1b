"""The recipes are such as the commands take."""

import inspect
from pathlib import Path

import pytest
import yaml

from priory.priors import prior_class
from priory.runs import TrainConfig
from priory.runs.parsing import flat
from priory.runs.run import read_config

ROOT = Path(__file__).parents[1]
RECIPES = sorted(ROOT.glob("recipes/*/*.yaml"))


def test_there_are_recipes():
    assert len(RECIPES) >= 6


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_is_a_configuration_and_names_itself(path):
    config = read_config(path)
    assert isinstance(config, TrainConfig)
    options = yaml.safe_load(path.read_text())
    assert {name: flat(config)[name] for name in options} == options
    accepted = inspect.signature(prior_class(config.model.prior)).parameters
    assert (config.model.prior_options or {}).keys() <= accepted.keys()
    assert f"--config {path.relative_to(ROOT)}" in path.read_text()
