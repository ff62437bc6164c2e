"""The run folder of a chain of trainings: a folder for each stage, each with its model.

run/
  teacher/model       shapes to functions on the sphere
  student/model       pictures to the same functions
  synthesiser/model   those functions to pictures
"""

from pathlib import Path
from typing import Literal, get_args

Stage = Literal["teacher", "student", "synthesiser"]
STAGES: tuple[str, ...] = get_args(Stage)


def stage_folder(run: Path, stage: Stage) -> Path:
    """The model folder of a stage of a run; FileNotFoundError in one line where it is not there.

    Example:
        >>> stage_folder(Path("nowhere"), "student")
        Traceback (most recent call last):
        ...
        FileNotFoundError: nowhere: no such folder; expected a run of `armillary train embedding --out`
    """
    if not run.is_dir():
        raise FileNotFoundError(f"{run}: no such folder; expected a run of `armillary train embedding --out`")
    folder = run / stage / "model"
    if not (folder / "model.safetensors").is_file():
        present = [name for name in STAGES if (run / name / "model" / "model.safetensors").is_file()]
        raise FileNotFoundError(
            f"{run}: expected the stage {stage} ({stage}/model/model.safetensors), got "
            f"{', '.join(present) or 'no stage'}; give its own `armillary train embedding` again to finish it"
        )
    return folder
