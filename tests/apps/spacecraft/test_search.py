"""The search for a box by the entropy of answers: a pose model of our own that is surer the better a box fits."""

import torch

from armillary.apps.spacecraft.search import LOOKS, surest_box
from armillary.distributions import MatrixFisher
from armillary.distributions.pose import PoseDistribution

TRUE = torch.tensor([20.0, 10.0, 60.0, 50.0])


class Asked:
    """Answers that are sharper the nearer a box is to the true one; says how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, boxes: torch.Tensor) -> PoseDistribution:
        self.calls += 1
        sharp = 20 / (1 + (boxes - TRUE).abs().amax(-1))
        eye = torch.eye(3).expand(len(boxes), 3, 3)
        return PoseDistribution(MatrixFisher(sharp[:, None, None] * eye), boxes[:, :3].clone(), eye)


def nothing(rotation: torch.Tensor, translation: torch.Tensor) -> torch.Tensor:
    return torch.full((4,), torch.nan)


def test_the_surest_of_several_is_taken() -> None:
    boxes = torch.stack([TRUE + 30, TRUE + 3, TRUE - 9])
    asked = Asked()
    assert torch.equal(surest_box(boxes, asked, nothing), boxes[1])
    assert asked.calls == 1


def test_it_looks_again_where_the_answer_says_as_long_as_that_is_surer() -> None:
    halfway = []

    def outline(rotation: torch.Tensor, translation: torch.Tensor) -> torch.Tensor:
        # The answer carries its box in the position; each look is off by half as much.
        halfway.append(TRUE + (translation[0] - TRUE[0]) / 2)
        return halfway[-1]

    asked = Asked()
    found = surest_box((TRUE + 16)[None], asked, outline)
    assert torch.allclose(found, TRUE + 16 / 2**LOOKS) and asked.calls == 1 + LOOKS


def test_a_look_that_is_less_sure_is_not_followed() -> None:
    asked = Asked()
    found = surest_box((TRUE + 2)[None], asked, lambda rotation, translation: TRUE + 40)
    assert torch.equal(found, TRUE + 2) and asked.calls == 2
