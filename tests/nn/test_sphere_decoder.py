"""Laws of the decoder to the sphere: sizes, no seam (whole coarse cells commute), a map can be learned."""

import pytest
import torch

from armillary.nn.sphere_decoder import SphereDecoder, SphereEnlargement, SphereResidual
from armillary.nn.sphere_padding import SphereConvolution


@pytest.mark.parametrize("side", [4, 8, 16, 32])
@pytest.mark.parametrize("blocks", [1, 2])
def test_the_map_has_the_side_and_its_stages_the_widths(side, blocks):
    decoder = SphereDecoder(latent=6, channels=3, side=side, width=4, widest=8, blocks=blocks)
    assert decoder(torch.rand(2, 6)).shape == (2, 3, side, side)
    enlargements = [layer for layer in decoder.stages if isinstance(layer, SphereEnlargement)]
    assert [layer.mixing.out_channels for layer in enlargements] == [8, 8, 4][-len(enlargements) :][: len(enlargements)]
    assert sum(isinstance(layer, SphereResidual) for layer in decoder.stages) == blocks * (len(enlargements) + 1)


@pytest.mark.parametrize("training", [True, False])
def test_from_its_coarsest_map_on_the_decoder_commutes_with_turns_by_whole_coarse_cells(training):
    torch.manual_seed(0)
    decoder = SphereDecoder(latent=6, channels=3, side=16, width=4, widest=16, blocks=2).double().train(training)
    coarse = torch.randn(5, 16, 4, 4, dtype=torch.float64)
    result = decoder.from_coarsest(coarse)
    for cells in (1, 2, 3):
        turned = decoder.from_coarsest(coarse.roll(cells, -1))
        # Roundings of a dozen layers.
        assert (turned - result.roll(4 * cells, -1)).abs().max() < 1e-12 * result.abs().max()


def test_every_convolution_that_looks_around_pads_on_the_sphere():
    decoder = SphereDecoder(latent=6, channels=3, width=4)
    inside = {part.convolution for part in decoder.modules() if isinstance(part, SphereConvolution)}
    for part in decoder.modules():
        if isinstance(part, torch.nn.Conv2d):
            assert part in inside or part.kernel_size == (1, 1)
            assert part.padding == (0, 0)


def test_a_map_can_be_learned_and_gradients_reach_every_parameter():
    torch.manual_seed(0)
    decoder, latent, target = SphereDecoder(8, 2, side=8, width=8), torch.randn(16, 8), torch.randn(16, 2, 8, 8)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (decoder(latent) - target).square().mean()
        loss.backward()
        optimizer.step()
    assert all(part.grad is not None and part.grad.abs().max() > 0 for part in decoder.parameters())
    # The variance of the target is 1.
    assert loss < 0.1


def test_what_cannot_be_built_is_said():
    for side in (0, 2, 6, 12, 24):
        with pytest.raises(ValueError, match=f"expected a side of the map among 4, 8, 16, 32, ..., got {side}; use 16"):
            SphereDecoder(8, 2, side=side)
    with pytest.raises(
        ValueError, match="expected latent, channels, width, widest and blocks of at least 1, got 8, 2, 0"
    ):
        SphereDecoder(8, 2, width=0)
