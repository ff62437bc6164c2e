"""What a student says of two pictures: the turn between them, other turns that would do, how sure it is.

student = load_student(run)
relation = student.relate(first, second)
relation.rotation, relation.score, relation.density.modes(4)
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from armillary.apps.embedding.chain import stage_folder
from armillary.distributions import HarmonicDistribution
from armillary.evaluation.relative import relative_density, relative_score
from armillary.harmonics import evaluate_so3
from armillary.models import read_metadata
from armillary.models.spherical_embedding import SphericalEmbedding
from armillary.so3 import geodesic_distance, log, matrix_to_quat_wxyz

# Samples behind the confidence, and the angle it speaks of.
SAMPLES, CONFIDENCE_DEG = 512, 15.0
# Of a student whose training recorded none: blunt, and the score below which pictures are called unlike.
TEMPERATURE, LOW_SCORE = 20.0, 0.5
CONVENTION = "x_first = R x_second in the cameras' axes (OpenCV: x right, y down, z forward), aimed at the object"


@dataclass(frozen=True)
class ScoreStatistics:
    """Mean and standard deviation of the scores of pairs of views of one object, and of different objects."""

    same: tuple[float, float]
    different: tuple[float, float]

    def is_low(self, score: float) -> bool:
        """Whether a score is more like those of different objects, both taken for normal.

        Example:
            >>> [ScoreStatistics((0.8, 0.1), (0.4, 0.1)).is_low(score) for score in (0.5, 0.7, 0.95)]
            [True, False, False]
        """
        logs = [-(((score - mean) / sd) ** 2) / 2 - math.log(sd) for mean, sd in (self.same, self.different)]
        return score < self.same[0] and logs[1] > logs[0]

    @classmethod
    def of(cls, metadata: dict[str, Any]) -> "ScoreStatistics | None":
        """Those that the training recorded; None where it recorded none."""
        record = metadata.get("pair_scores")
        if record is None:
            return None
        (mean, sd), (other_mean, other_sd) = record["same"], record["different"]
        return cls((mean, max(sd, 1e-6)), (other_mean, max(other_sd, 1e-6)))


@dataclass(frozen=True)
class Relation:
    """Two pictures of an object.

    Attributes:
        rotation: The most probable R, of the camera frames: it takes what the second shows to what the first shows.
        score: How well the embeddings agree there, at most 1.
        density: Of R, batch shape ().
        scores: Score of all rotations, coefficients on SO(3).
        confidence: Probability within 15 degrees of ``rotation``.
        statistics: Of scores; None where none are known.
    """

    rotation: Float[Tensor, "3 3"]
    score: float
    density: HarmonicDistribution
    scores: Float[Tensor, " modes"]
    confidence: float
    statistics: ScoreStatistics | None = None

    @property
    def is_low(self) -> bool:
        """Whether the score is one of pictures of different objects."""
        return self.score < LOW_SCORE if self.statistics is None else self.statistics.is_low(self.score)

    @property
    def verdict(self) -> str:
        """One line about the score."""
        if not self.is_low:
            return f"score {self.score:.2f} of at most 1"
        if self.statistics is None:
            reason = f"below {LOW_SCORE}"
        else:
            different, same = (
                f"{mean:.2f} +- {sd:.2f}" for mean, sd in (self.statistics.different, self.statistics.same)
            )
            reason = f"as of different objects, {different}; of one object it is {same}"
        return f"LOW score {self.score:.2f} ({reason}): perhaps two objects, and then the rotation means nothing"

    def peaks(self, count: int) -> list[dict[str, Any]]:
        """The highest peaks: rotation, angle, probability around it and score.

        Args:
            count: How many at most.
        """
        modes = self.density.modes(count)
        present = modes.log_prob.isfinite()
        rotations, mass = modes.rotation[present], modes.mass[present]
        scores = evaluate_so3(self.scores.double(), rotations.double())
        return [
            {**turn_record(rotation), "probability": share, "score": score}
            for rotation, share, score in zip(rotations, mass.tolist(), scores.tolist(), strict=True)
        ]

    def to_json(self, peaks: int = 4) -> dict[str, Any]:
        """Plain values that `json.dump` takes.

        Args:
            peaks: How many to list.
        """
        return {
            "convention": CONVENTION,
            **turn_record(self.rotation),
            "score": self.score,
            "low_score": self.is_low,
            "verdict": self.verdict,
            "confidence_15_deg": self.confidence,
            "entropy": self.density.entropy().item(),
            "measure": "Haar, normalised: the uniform distribution has density 1 and entropy 0 nats",
            "peaks": self.peaks(peaks),
        }


@dataclass(frozen=True)
class Student:
    """A student with what its training found out about pairs.

    Attributes:
        model: In eval mode.
        temperature: Of densities.
        statistics: Of scores.
    """

    model: SphericalEmbedding
    temperature: float = TEMPERATURE
    statistics: ScoreStatistics | None = None

    @property
    def size(self) -> int:
        """Width and height of the pictures it takes, pixels."""
        return self.model.config.image_size

    @torch.no_grad()
    def embed(self, pictures: Float[Tensor, "pictures 3 size size"]) -> Float[Tensor, "pictures channels coeffs"]:
        """Functions on the sphere of pictures, on the CPU."""
        return self.model(pictures.to(next(self.model.parameters()).device)).cpu()

    def relate(self, first: Float[Tensor, "channels coeffs"], second: Float[Tensor, "channels coeffs"]) -> Relation:
        """What two embeddings say of the turn between their pictures.

        Example:
            >>> from armillary.models.spherical_embedding import SphericalEmbeddingConfig
            >>> student = Student(SphericalEmbeddingConfig(image_size=16, channels=2, latent=8, width=8).build().eval())
            >>> one = torch.randn(2, 64, generator=torch.Generator().manual_seed(0))
            >>> round(student.relate(one, one).score, 4)
            1.0
        """
        scores = relative_score(first, second)
        density = relative_density(first, second, self.temperature)
        rotation = density.mode
        drawn = density.sample(torch.Size((SAMPLES,)), generator=torch.Generator().manual_seed(0))
        near = geodesic_distance(drawn, rotation.expand_as(drawn)) < math.radians(CONFIDENCE_DEG)
        score = evaluate_so3(scores.double(), rotation.double()).item()
        return Relation(rotation, score, density, scores, near.float().mean().item(), self.statistics)


def load_student(run: Path, device: torch.device | str = "cpu") -> Student:
    """The student of a run of the chain, or of its model folder."""
    folder = run if (run / "model.safetensors").is_file() else stage_folder(run, "student")
    metadata = read_metadata(folder)
    model = SphericalEmbedding.from_pretrained(folder).to(device)
    return Student(model, float(metadata.get("temperature") or TEMPERATURE), ScoreStatistics.of(metadata))


def turn_record(rotation: Float[Tensor, "3 3"]) -> dict[str, Any]:
    """A rotation as plain values: matrix, quaternion, angle and axis.

    Example:
        >>> round(turn_record(torch.diag(torch.tensor([-1.0, -1.0, 1.0])))["angle_deg"])
        180
    """
    rotvec = log(rotation.double())
    angle = torch.linalg.vector_norm(rotvec)
    return {
        "rotation": rotation.tolist(),
        "quat_wxyz": matrix_to_quat_wxyz(rotation).tolist(),
        "angle_deg": torch.rad2deg(angle).item(),
        "axis": (rotvec / angle.clamp(min=1e-12)).tolist(),
    }
