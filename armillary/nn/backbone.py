"""Pretrained encoders through the ``transformers`` backbones, and the one table of encoder names.

A name is a key of `ENCODERS`, a local folder (``config.json`` and ``model.safetensors``), or a hub id (``owner/name``);
``:random`` after a key or a folder asks for random weights. A folder that exists is read before any network is tried.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armillary.nn.encoder import Encoder, SmallEncoder

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BackboneEntry:
    """One row of the table: where the weights are, and the architecture for random ones."""

    # Hub id of the pretrained weights.
    hub_id: str
    # Fields of the transformers configuration that differ from its class' defaults, and its ``model_type``.
    architecture: dict[str, Any]


def _resnet(layer: str, *depths: int) -> dict[str, Any]:
    widths = [64, 128, 256, 512] if layer == "basic" else [256, 512, 1024, 2048]
    return {"model_type": "resnet", "layer_type": layer, "depths": list(depths), "hidden_sizes": widths}


_RESNET18 = _resnet("basic", 2, 2, 2, 2)
_CONVNEXT = {"model_type": "convnext", "depths": [3, 3, 9, 3], "hidden_sizes": [96, 192, 384, 768]}
_SWIN = {"model_type": "swin", "embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]}
_DINOV2 = {"model_type": "dinov2", "patch_size": 14, "image_size": 518}

ENCODERS: dict[str, BackboneEntry | Callable[[], Encoder]] = {
    "small": SmallEncoder,
    "small-fine": lambda: SmallEncoder(stride=8),
    "small-wide": lambda: SmallEncoder(width=64),
    "resnet18": BackboneEntry("microsoft/resnet-18", _RESNET18),
    "resnet34": BackboneEntry("microsoft/resnet-34", _resnet("basic", 3, 4, 6, 3)),
    "resnet50": BackboneEntry("microsoft/resnet-50", _resnet("bottleneck", 3, 4, 6, 3)),
    "resnet101": BackboneEntry("microsoft/resnet-101", _resnet("bottleneck", 3, 4, 23, 3)),
    "convnext-tiny": BackboneEntry("facebook/convnext-tiny-224", _CONVNEXT),
    "dinov2-small": BackboneEntry("facebook/dinov2-small", {**_DINOV2, "hidden_size": 384, "num_attention_heads": 6}),
    "dinov2-base": BackboneEntry("facebook/dinov2-base", {**_DINOV2, "hidden_size": 768, "num_attention_heads": 12}),
    "vit-base": BackboneEntry("google/vit-base-patch16-224", {"model_type": "vit"}),
    "swin-tiny": BackboneEntry("microsoft/swin-tiny-patch4-window7-224", _SWIN),
}


def make_encoder(name: str, architecture: dict[str, Any] | None = None) -> Encoder:
    """The encoder of a name: a key of `ENCODERS`, a local folder, or a hub id; ``:random`` for random weights.

    Args:
        name: For example ``"small"``, ``"resnet18"``, ``"resnet18:random"``, ``"weights/resnet"``, ``"owner/name"``.
        architecture: A saved `TransformersEncoder.architecture`: no weights are looked for (a checkpoint brings them).

    Example:
        >>> make_encoder("small").channels
        256
    """
    key, _, suffix = name.partition(":")
    if suffix not in ("", "random"):
        raise ValueError(
            f"expected ':random' or nothing after an encoder's name, got {name!r}; write {key + ':random'!r}"
        )
    entry = ENCODERS.get(key)
    if architecture is not None:
        fields = {key: value for key, value in architecture.items() if key != "normalise"}
        return TransformersEncoder(_random_backbone(fields), normalise=architecture.get("normalise", True))
    if isinstance(entry, BackboneEntry):
        if suffix == "random":
            return TransformersEncoder(_random_backbone(entry.architecture))
        return TransformersEncoder(_pretrained_backbone(entry.hub_id))
    if entry is not None:
        return entry()
    if Path(key).is_dir():
        return TransformersEncoder(
            _random_backbone(_saved_architecture(Path(key))) if suffix == "random" else _pretrained_backbone(key)
        )
    # A hub id has exactly one slash and does not look like a path on this machine.
    if key.count("/") == 1 and key[0] not in "./~" and not suffix:
        return TransformersEncoder(_pretrained_backbone(key))
    if "/" in key:
        raise FileNotFoundError(f"expected an encoder's folder at {key}, got no such folder; check the path")
    closest = difflib.get_close_matches(key, ENCODERS, n=1, cutoff=0.0)[0]
    raise ValueError(
        f"expected an encoder among {', '.join(ENCODERS)}, a folder or a hub id, got {name!r}; "
        f"did you mean {closest!r}?"
    )


class TransformersEncoder(Encoder):
    """The last feature map of a ``transformers`` backbone (ResNet, ConvNeXt, DINOv2, ViT, Swin, ...).

    Args:
        backbone: A backbone of ``transformers.AutoBackbone``, or a plain ViT.
        normalise: Whether to subtract ImageNet's mean and divide by its deviation, as pretrained weights expect.

    Example:
        >>> make_encoder("resnet18:random")(torch.rand(1, 3, 64, 64)).shape
        torch.Size([1, 512, 2, 2])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, normalise: bool = True) -> None:
        super().__init__()
        self.backbone, self.normalise = backbone, normalise
        # Side of a token's patch where the backbone gives tokens instead of a map, else None.
        self.patch = self.architecture["patch_size"] if self.architecture["model_type"] == "vit" else None
        self.channels = self.architecture["hidden_size"] if self.patch else int(backbone.channels[-1])  # type: ignore[index]
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if normalise else ((0.0,) * 3, (1.0,) * 3)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    @property
    def architecture(self) -> dict[str, Any]:
        """The backbone's configuration and ours as JSON values; `make_encoder` rebuilds the encoder from it."""
        return {**self.backbone.config.to_dict(), "normalise": self.normalise}  # type: ignore[union-attr, operator]

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Features of images with values in [0, 1]."""
        pixels = (images - self.mean) / self.std
        if self.patch is None:
            return self.backbone(pixels).feature_maps[-1]
        tokens = self.backbone(pixels, interpolate_pos_encoding=True).last_hidden_state[:, 1:]
        return tokens.transpose(1, 2).unflatten(2, (images.shape[-2] // self.patch, images.shape[-1] // self.patch))


def _saved_architecture(folder: Path) -> dict[str, Any]:
    """The configuration in a folder, as a dictionary."""
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"expected config.json in the encoder's folder {folder}, got none; name another folder")
    return AutoConfig.from_pretrained(folder).to_dict()


def _random_backbone(architecture: dict[str, Any]) -> nn.Module:
    """A backbone with random weights."""
    from transformers import AutoBackbone, AutoConfig, AutoModel

    fields = {key: value for key, value in architecture.items() if key != "model_type"}
    config = AutoConfig.for_model(architecture["model_type"], **fields)
    if config.model_type == "vit":
        return AutoModel.from_config(config, add_pooling_layer=False)
    return AutoBackbone.from_config(config)


def _pretrained_backbone(source: str) -> nn.Module:
    """A backbone with the weights of a folder, of the local hub cache, or of the hub, tried in this order."""
    failure: Exception | None = None
    for local_only in (True,) if Path(source).is_dir() else (True, False):
        try:
            return _load_backbone(source, local_only)
        except (OSError, ValueError) as error:
            failure = error
    reason = str(failure).splitlines()[0]
    raise FileNotFoundError(
        f"expected encoder weights at {source!r} (a folder, the local cache or the hub), got: {reason}; "
        "name a folder with config.json and model.safetensors, or append ':random' to a table name for random weights"
    ) from failure


def _load_backbone(source: str, local_only: bool) -> nn.Module:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source, local_files_only=local_only)
    with torch.device("meta"):
        # The class that fits the configuration; AutoBackbone.from_pretrained would ask the hub even about a folder.
        kind = type(_random_backbone(config.to_dict()))
    options = {"add_pooling_layer": False} if config.model_type == "vit" else {}
    backbone, report = kind.from_pretrained(  # type: ignore[attr-defined]
        source, config=config, local_files_only=local_only, output_loading_info=True, **options
    )
    # Swin and ConvNeXt backbones add these norms (identity at the start); anything else missing would be random.
    missing = [key for key in report["missing_keys"] if "hidden_states_norms" not in key]
    if missing:
        raise ValueError(f"the weights at {source!r} lack {len(missing)} tensors, first {missing[0]!r}")
    return backbone
