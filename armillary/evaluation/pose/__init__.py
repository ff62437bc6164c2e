"""Scores of six-degree poses: Kelvins (SPEED, SPEED+) and BOP, and the files in which they take answers."""

from .bop_result import BopResults as BopResults
from .bop_result import best_results as best_results
from .bop_result import read_bop_results as read_bop_results
from .bop_result import write_bop_results as write_bop_results
from .bop_score import BopScore as BopScore
from .bop_score import score_results as score_results
from .kelvins import SPEED_2019 as SPEED_2019
from .kelvins import SPEEDPLUS_2021 as SPEEDPLUS_2021
from .kelvins import SPNV2 as SPNV2
from .kelvins import KelvinsScore as KelvinsScore
from .kelvins import KelvinsThresholds as KelvinsThresholds
from .kelvins import kelvins_score as kelvins_score
from .model import ObjectModel as ObjectModel
from .model import symmetry_transforms as symmetry_transforms
from .recall import Pictures as Pictures
from .recall import recall_shares as recall_shares
from .score import DomainScore as DomainScore
from .score import PoseScores as PoseScores
from .score import score_poses as score_poses
from .submission import Submission as Submission
from .submission import read_submission as read_submission
from .submission import write_submission as write_submission
from .surface_distance import mspd as mspd
from .surface_distance import mssd as mssd
from .visible_surface import vsd as vsd
