"""Light, shadow, camera: each against its closed form; and the three domains against each other."""

import math

import pytest
import torch
from torch import Tensor

from armillary.data import Mesh
from armillary.data.rendering import Renderer
from armillary.data.spacecraft.backdrop import earth, glare, laboratory
from armillary.data.spacecraft.domain import DOMAINS
from armillary.data.spacecraft.illumination import Illumination, directions_about, shade
from armillary.data.spacecraft.scene import BLOCK, Poses, SatelliteSettings, coated, draw_poses, stream
from armillary.data.spacecraft.sensor import Sensor, blurred, expose
from armillary.data.spacecraft.shadow import ShadowCaster
from armillary.data.spacecraft.studio import Exposures, SatelliteStudio, settled

SMALL = SatelliteSettings(width=192, height=120)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def shots() -> dict[str, Exposures]:
    """The same poses in each domain."""
    found = {}
    for name in DOMAINS:
        studio = SatelliteStudio(SMALL, name)
        blocks = [studio.photograph(draw_poses(SMALL, "test", block), generator(block)) for block in range(2)]
        studio.close()
        found[name] = Exposures(*(torch.cat([getattr(shot, key) for shot in blocks]) for key in ("grey", "mask")))
    return found


def test_poses_are_a_pure_function_of_seed_part_and_block() -> None:
    first, again = (draw_poses(SMALL, "train", 3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (draw_poses(SMALL, "train", 4), draw_poses(SMALL, "lightbox", 3)):
        assert not torch.equal(first.rotations, other.rotations)


def test_poses_fill_the_range_of_depths_and_the_frame() -> None:
    poses = [draw_poses(SMALL, "train", block) for block in range(40)]
    translations = torch.cat([block.translations for block in poses])
    camera = SMALL.camera()
    pixels = translations[:, :2] / translations[:, 2:] * camera.fx + torch.tensor([camera.cx, camera.cy])
    assert translations[:, 2].min() >= 2.5 and translations[:, 2].max() <= 10
    # 640 draws of a uniform law reach within a hundredth of both ends but once in 500 times.
    assert translations[:, 2].min() < 2.6 and translations[:, 2].max() > 9.9
    assert bool((pixels > -0.5).all()) and bool((pixels < torch.tensor([191.5, 119.5])).all())
    assert bool((pixels.amax(0) > torch.tensor([170, 105])).all()) and bool((pixels.amin(0) < 15).all())
    rotations = torch.cat([block.rotations for block in poses])
    # Entries of a uniform rotation have variance 1/3: means of 640 stay within five deviations of 0.
    assert rotations.mean(0).abs().max() < 5 / math.sqrt(3 * 640)


def test_wide_light_is_half_from_the_side_and_none_from_behind() -> None:
    normal = torch.tensor([[0.0, 0.0, -1.0]]).expand(3, 3)
    wide = torch.tensor([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    one, zero = torch.ones(3), torch.zeros(3)
    surface, shine = shade(Illumination(wide, zero, wide, one, zero, zero, one), -normal, normal, one)
    assert surface.tolist() == [1.0, 0.5, 0.0]
    assert shine.tolist() == [0, 0, 0]


def test_shadow_takes_the_sun_alone() -> None:
    up = torch.tensor([[0.0, 0.0, -1.0]])
    light = Illumination(up, torch.tensor([2.0]), up, torch.tensor([0.5]), torch.tensor([0.1]), *[torch.ones(1)] * 2)
    bright, dark = (shade(light, -up, up, torch.tensor([lit])) for lit in (1.0, 0.0))
    assert torch.isclose(bright[0] - dark[0], torch.tensor(2.0)) and torch.isclose(dark[0], torch.tensor(0.6))


def test_directions_stay_within_their_cap_and_are_even_on_it() -> None:
    axis = torch.tensor([0.0, 0.6, -0.8])
    found = directions_about(axis, math.radians(60), 4000, generator())
    along = found @ axis
    assert found.norm(dim=-1).allclose(torch.ones(4000), atol=1e-5)
    assert along.min() > 0.5 - 1e-5
    # The height on a cap is uniform: five deviations of a mean of 4000.
    assert abs(float(along.mean()) - 0.75) < 5 * 0.5 / math.sqrt(12 * 4000)


def test_a_small_square_shades_what_lies_under_it() -> None:
    square = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    vertices = torch.cat([square, 0.4 * square + torch.tensor([0.0, 0, -0.5])])
    mesh = Mesh(vertices, torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]))
    pose = torch.eye(3)[None], torch.tensor([[0.0, 0, 6]])
    sun = torch.nn.functional.normalize(torch.tensor([[0.5, 0.0, -1.0]]), dim=-1)
    across = torch.linspace(-0.95, 0.95, 39)
    points = torch.stack([across, 0 * across, 6 + 0 * across], -1)
    normals = torch.tensor([[0.0, 0, -1]]).expand_as(points)
    caster = ShadowCaster(size=256)
    lit = caster.lit(mesh, mesh.bounding_sphere(), pose, sun, points, normals, torch.zeros(39, dtype=torch.int64))
    caster.close()
    # Half a metre above, the sun at a slope of one half: the shadow lies from -0.65 to 0.15.
    inside = (across > -0.65) & (across < 0.15)
    clear = ((across + 0.65).abs() > 0.03) & ((across - 0.15).abs() > 0.03)
    assert torch.equal(lit[clear] > 0.5, ~inside[clear])


def test_without_noise_and_blur_a_sensor_is_its_tone_curve() -> None:
    radiance = torch.linspace(0, 1.5, 192 * 96).reshape(1, 96, 192)
    plain = Sensor(exposure=(0.5, 0.5), gamma=(2.0, 2.0), blur=(0.0, 0.0), electrons=(1e12, 1e12))
    grey = expose(radiance, plain, generator()).float()
    assert (grey - (255 * (0.5 * radiance) ** 2)).abs().max() <= 0.5 + 1e-2


def test_shot_noise_has_the_variance_of_counted_electrons() -> None:
    sensor = Sensor(blur=(0.0, 0.0), electrons=(400.0, 400.0), read_noise=(0.02, 0.02))
    for level in (0.2, 0.6):
        grey = expose(torch.full((1, 200, 200), level), sensor, generator()).double() / 255
        wanted = level / 400 + 0.02**2 + 1 / 12 / 255**2
        # The relative deviation of a variance of 40,000 numbers is 0.7 %.
        assert abs(float(grey.var()) / wanted - 1) < 0.04
        assert abs(float(grey.mean()) - level) < 1e-3


def test_a_blur_spreads_a_point_by_its_deviation_and_keeps_its_light() -> None:
    point = torch.zeros(2, 41, 41)
    point[:, 20, 20] = 1
    spread = blurred(point, torch.tensor([1.0, 3.0]))
    place = torch.arange(41) - 20.0
    assert spread.sum((1, 2)).allclose(torch.ones(2), atol=1e-5)
    variance = (spread.sum(1) * place.square()).sum(-1)
    # Cut off at three deviations and a pixel.
    assert variance.allclose(torch.tensor([1.0, 9.0]), rtol=0.03)


def test_bloom_adds_light_around_what_is_full_and_nothing_elsewhere() -> None:
    radiance = torch.zeros(2, 96, 160)
    radiance[0, 40:56, 70:90], radiance[1, 40:56, 70:90] = 3.0, 0.8
    quiet = {"blur": (0.0, 0.0), "electrons": (1e12, 1e12)}
    plain, blooming = (
        expose(radiance, Sensor(bloom=bloom, **quiet), generator()) for bloom in ((0.0, 0.0), (0.5, 0.5))
    )
    assert torch.equal(plain[1], blooming[1])
    assert int(blooming[0, 48, 95]) > int(plain[0, 48, 95]) + 10


def test_settled_ranges_are_single_numbers_within() -> None:
    sensor = settled(DOMAINS["lightbox"].sensor, generator())
    assert sensor.blur[0] == sensor.blur[1] and 1.8 <= sensor.blur[0] <= 3.6


def test_grey_gloss_and_coverage_are_what_is_drawn() -> None:
    mesh = coated(Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]), torch.tensor([[1.0, 0.5, 0.0]] * 3)), (0.5, 0.3, 0.2))
    assert mesh.vertex_colours[0].tolist() == pytest.approx([0.65, 1.0, 1.0])


@pytest.mark.parametrize("draw", [earth, laboratory, glare])
def test_backdrops_are_radiances(draw: object) -> None:
    extra = {"earth": (1.0,), "glare": (torch.nn.functional.normalize(torch.ones(3, 3), dim=-1),)}
    picture = draw(3, 45, 72, *extra.get(draw.__name__, ()), generator())  # type: ignore[operator]
    assert picture.shape == (3, 45, 72) and float(picture.min()) >= 0 and bool(picture.isfinite().all())
    assert not torch.equal(picture[0], picture[1])


def test_masks_are_the_same_in_all_domains(shots: dict[str, Exposures]) -> None:
    assert all(torch.equal(shots["synthetic"].mask, shot.mask) for shot in shots.values())
    assert bool(shots["synthetic"].mask.flatten(1).any(1).all())


def test_domains_are_unlike_in_what_makes_them(shots: dict[str, Exposures]) -> None:
    def share(name: str, which: str) -> float:
        inside = shots[name].grey[shots[name].mask].float()
        return float({"full": inside >= 254, "black": inside <= 8}[which].float().mean())

    def grain(name: str) -> float:
        """Noise: the mean difference of neighbours outside the mask."""
        grey, mask = shots[name].grey.float(), shots[name].mask
        step = (grey[:, :, 1:] - grey[:, :, :-1]).abs()
        return float(step[~mask[:, :, 1:]].mean())

    assert share("sunlamp", "full") > 0.15 > 5 * share("synthetic", "full")
    assert share("lightbox", "full") < 0.01
    assert share("sunlamp", "black") > 0.15 and share("lightbox", "black") < 0.01
    assert grain("lightbox") > 2 * grain("synthetic")


def test_shadows_darken_and_never_brighten() -> None:
    poses = draw_poses(SMALL, "test", 0)
    shaded, open_sky = SatelliteStudio(SMALL, "sunlamp"), SatelliteStudio(SMALL, "sunlamp")
    light = shaded.domain.light(BLOCK, generator())
    frames = shaded._renderer.render(shaded._mesh, *poses, shaded._intrinsics)
    open_sky._shadows = None
    dark, bright = (
        studio._radiance(frames, poses, light, torch.zeros(BLOCK, 120, 192)) for studio in (shaded, open_sky)
    )
    assert bool((dark <= bright + 1e-6).all()) and float(dark.sum()) < 0.97 * float(bright.sum())


def test_a_film_keeps_its_light_and_changes_its_noise() -> None:
    poses = draw_poses(SMALL, "film", 0)
    still = Poses(*(each[:1].expand(4, *each.shape[1:]) for each in poses))
    studio = SatelliteStudio(SMALL, "lightbox")
    first, again = (studio.film(still, generator(1), stream(0, "film", start, "noise")).grey for start in (0, 16))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first, again)
    frames = torch.cat([first, again]).float()
    # What is left of the noise after the mean over four frames.
    assert (frames[:4].mean(0) - frames[4:].mean(0)).abs().mean() < 0.75 * (frames[0] - frames[1]).abs().mean()


def test_both_back_ends_take_the_same_pictures() -> None:
    few = Poses(*(each[:3] for each in draw_poses(SMALL, "test", 0)))
    greys: list[Tensor] = []
    for backend in ("auto", "torch"):
        studio = SatelliteStudio(SMALL, "synthetic", backend=backend)
        greys.append(studio.photograph(few, generator()).grey.float())
    assert (greys[0] - greys[1]).abs().mean() < 0.5


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"width": 4}, "expected width from 16 to 8192, got 4"),
        ({"outside": 2.0}, "expected outside from 0 to 1, got 2.0"),
        ({"radius": 0.0}, "expected a radius above zero, got 0"),
        ({"nearest": 5.0, "farthest": 4.0}, "expected nearest and farthest"),
        ({"nearest": 0.5}, "expected nearest and farthest from 1.2 radii on"),
    ],
)
def test_impossible_scenes_are_refused(wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SatelliteSettings(**wrong)


def test_impossible_sensors_and_domains_are_refused() -> None:
    with pytest.raises(ValueError, match="expected blur of zero or more, lowest first, got 2 and 1"):
        Sensor(blur=(2.0, 1.0))
    with pytest.raises(ValueError, match="expected a domain among synthetic, lightbox, sunlamp, got 'night'"):
        SatelliteStudio(SMALL, "night")
    assert Renderer(size=16).backend in ("egl", "torch")
