"""The recipes are such as the commands take."""

import inspect
from pathlib import Path

import pytest
import yaml

from priory.commands.train import train
from priory.priors import prior_class
from priory.training import TrainingSettings

ROOT = Path(__file__).parents[1]
RECIPES = sorted(ROOT.glob("recipes/*/*.yaml"))


def test_there_are_recipes():
    assert len(RECIPES) >= 6


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_has_options_of_the_command_and_names_itself(path):
    options = yaml.safe_load(path.read_text())
    settings = TrainingSettings.__dataclass_fields__.keys() & options.keys()
    TrainingSettings(**{name: options[name] for name in settings})
    assert options.keys() - settings <= inspect.signature(train).parameters.keys()
    accepted = inspect.signature(prior_class(options["prior"])).parameters
    assert (options.get("prior_options") or {}).keys() <= accepted.keys()
    assert f"--config {path.relative_to(ROOT)}" in path.read_text()
