"""Networks that are saved in a folder and rebuilt from it by their configuration, whatever they answer."""

from abc import ABC
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import nn

from armillary.models.storage import load_weights, read_config, read_record, write_folder
from armillary.nn.backbone import TransformersEncoder, make_encoder

# typing.Self is refused by beartype on methods, and needs Python 3.11.
Kind = TypeVar("Kind", bound="SavedNetwork")


class SavedNetwork(nn.Module, ABC):
    """A network with a configuration that builds it.

    Attributes:
        kind: Name of the class in saved models.
        config_type: The frozen dataclass whose ``build`` makes it; where there is an image encoder of transformers the
            class takes it as its second argument.
        what: What it is, for messages; by default its kind.
        config: The one that built this network.
    """

    kind: ClassVar[str]
    config_type: ClassVar[type]
    what: ClassVar[str] = ""
    config: Any

    def save_pretrained(self, folder: str | Path, metadata: dict[str, Any] | None = None) -> None:
        """Write ``config.json`` and ``model.safetensors``, each complete or not at all.

        Args:
            folder: Made when missing.
            metadata: Further JSON values to keep (`read_metadata`).
        """
        encoder = next((part for part in self.modules() if isinstance(part, TransformersEncoder)), None)
        record = {
            "kind": self.kind,
            "config": asdict(self.config),
            "encoder_architecture": None if encoder is None else encoder.architecture,
            "metadata": metadata or {},
        }
        write_folder(Path(folder), record, self.state_dict())

    @classmethod
    def from_pretrained(cls: type[Kind], folder: str | Path) -> Kind:
        """The network saved in a folder, in eval mode on the CPU; ValueError when it is of another kind."""
        record = read_record(Path(folder))
        if record.get("kind") != cls.kind:
            what = cls.what or f"a model of kind {cls.kind}"
            raise ValueError(f"{folder}: expected {what}, got {record.get('kind')!r}; name the folder of one")
        # JSON knows no tuples.
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in record.get("config", {}).items()}
        config, architecture = read_config(cls.config_type, values), record.get("encoder_architecture")
        model = config.build() if architecture is None else cls(config, make_encoder(config.encoder, architecture))
        load_weights(model, Path(folder))
        return model.eval()
