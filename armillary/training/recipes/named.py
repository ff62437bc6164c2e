"""All recipes by their names: ours, and the protocols of the original systems.

Those protocols are named like the original's data sets; each has a variant ``NAME-original`` that does as published.
"""

import difflib
import re
from dataclasses import replace

from armillary.training.config import TrainConfig
from armillary.training.recipes.base import ORIGINAL, Recipe
from armillary.training.recipes.image2sphere import IMAGE2SPHERE, MOST_VIEWS, SYMSOL, symsol_recipe
from armillary.training.recipes.ours import RECIPES
from armillary.training.recipes.spherical import SPHERICAL
from armillary.training.recipes.viewpoint import VIEWPOINT

# Protocols of the original systems: ours, and as published.
PUBLISHED: dict[str, tuple[Recipe, TrainConfig]] = {**SPHERICAL, **VIEWPOINT, **IMAGE2SPHERE}


def recipe(name: str) -> TrainConfig:
    """The configuration of a name.

    Example:
        >>> recipe("fotos")
        Traceback (most recent call last):
        ...
        ValueError: unknown recipe fotos; did you mean photos?
    """
    return named_recipe(name).config


def named_recipe(name: str) -> Recipe:
    """The recipe of a name, with its purpose and the published figure it stands against.

    Example:
        >>> named_recipe("modelnet10").published
        'Acc@15 0.721 (its released checkpoint, README of github.com/dmklee/image2sphere)'
    """
    if name in RECIPES:
        purpose, config = RECIPES[name]
        return Recipe(purpose, config)
    plain = name.removesuffix(ORIGINAL)
    found = PUBLISHED.get(plain) or symsol_recipe(plain)
    if found is None:
        known = recipe_names()
        # A number of views is no reason to call two names unlike.
        asked = re.sub(r"\d{2,}", str(MOST_VIEWS), _translated(plain))
        near = difflib.get_close_matches(asked, known, n=1, cutoff=0.5)
        end = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        raise ValueError(f"unknown recipe {name}; {end}")
    ours, as_published = found
    return ours if plain == name else replace(ours, purpose=f"{ours.purpose}; as published", config=as_published)


def _translated(name: str) -> str:
    """symsolI-N to symsolIIII-N, as the original counts, are in the order of our table."""
    counted = re.fullmatch(r"symsol(I{1,4})(-.*)", name)
    return [*SYMSOL][len(counted[1]) - 1] + counted[2] if counted else name


def recipe_names() -> dict[str, str]:
    """Each recipe's name and what it is for; SYMSOL's stand for those of any number of views."""
    original = [*PUBLISHED, *(f"{family}-{MOST_VIEWS}" for family in SYMSOL)]
    ours = {name: purpose for name, (purpose, _) in RECIPES.items()}
    return ours | {name: named_recipe(name).purpose for name in original}
