"""Which numbers the analysis is tuned by, and which it is not. Data only.

A location is ``module:NAME`` for a constant of a module below ``aiops_mcp.analysis``, and
``module:Class.method.argument`` for the default of an argument.
"""

from typing import Final

ANOMALY: Final = (
    "anomaly_online:FEW",
    "anomaly_online:DOZENS",
    "anomaly_online:WHILE",
    "anomaly_online:HANDFUL",
    "anomaly_online:AROUND",
    "anomaly_online:REACH",
    "anomaly_online:REST",
    "anomaly_online:FEWEST",
    "anomaly_online:AGREEMENT",
    "anomaly_online:OnlineDetector.__init__.sensitivity",
    "anomaly_surprise:REMEMBERED",
    "anomaly_surprise:FEWEST",
    "anomaly_surprise:TAIL_FROM",
    "anomaly_surprise:MOST",
    "seasons:MEMORY",
    "seasons:NEW_VISIT",
)
WINDOW: Final = (
    "anomaly:judge.sensitivity",
    "anomaly_bends:BEND_HELPS",
    "anomaly_bends:FEWEST_BLOCKS",
    "anomaly_curves:HARMONICS",
    "anomaly_curves:SHORTEST",
    "anomaly_curves:FEWEST_BLOCKS",
    "anomaly_curves:ROUNDS",
    "anomaly_events:JOINED_SHARE",
    "anomaly_events:LASTING_SHARE",
    "anomaly_events:FEWEST_LASTING",
    "anomaly_events:SUDDEN_SHARE",
    "anomaly_events:MOVING",
    "anomaly_events:BY_CHANCE",
    "anomaly_window:HANDFUL",
    "anomaly_window:STRETCH_SHARE",
    "anomaly_window:BY_CHANCE",
    "anomaly_window:MOST_EVENTS",
    "anomaly_window:MOST_SHARE",
    "anomaly_window:FEW_OTHERS",
    "anomaly_window:ENOUGH_FOR_A_SHAPE",
    "anomaly_window:LINE_HELPS",
    "anomaly_window:CURVE_HELPS",
    "changepoints:BLOCKS",
    "changepoints:NOTABLE",
    "seasons:FEWEST_VISITS",
    "seasons:MOST_BINS",
    "seasons:SEASON_HELPS",
    "series:MIN_POINTS",
    "series:MIN_SEGMENT_SHARE",
    "series:STEP_NOISE_RATIO",
    "series:STEP_SIGNIFICANCE",
    "series:STEP_BEATS_LINE",
    "series:STEP_BEATS_ROUND_TRIP",
)
ROOT_CAUSE: Final = (
    "rootcause:OUT_OF_REACH",
    "rootcause:NEARER",
    "rootcause:LATENESS",
    "rootcause_blame:EXPLAINED",
    "rootcause_blame:FOLLOWS",
    "rootcause_blame:OTHER_SYMPTOM",
    "rootcause_blame:UNDIRECTED",
    "rootcause_blame:HARMLESS",
    "rootcause_blame:HOARDS",
    "rootcause_blame:ALONE",
    "rootcause_blame:SECONDED",
    "rootcause_blame:NOTICEABLE",
    "rootcause_deviation:LOOK_BACK_SECONDS",
    "rootcause_deviation:LOOK_BACK_SHARE",
    "rootcause_deviation:MIN_NORMAL",
    "rootcause_deviation:SMALLEST_CHANGE",
    "rootcause_deviation:SMALLEST_LOSS",
    "rootcause_deviation:FROM_NOTHING",
    "rootcause_deviation:SUSTAINED_SHARE",
    "rootcause_deviation:MIN_STRETCHES",
    "rootcause_deviation:STEADY_SHARE",
    "rootcause_deviation:MIN_REGULAR",
    "rootcause_deviation:IRREGULAR",
    "rootcause_deviation:MISSED_STEPS",
    "rootcause_evidence:CLEAR",
    "rootcause_evidence:CHANCE",
    "rootcause_evidence:CLEAR_COUNTED",
    "rootcause_evidence:CERTAIN",
    "rootcause_evidence:CLOCKS_SECONDS",
    "rootcause_target:COMMONPLACE",
    "rootcause_target:MIN_TOGETHER",
)
EVIDENCE: Final = (
    "evidence_calls:LEAST",
    "evidence_calls:USUAL_SCATTER",
    "evidence_calls:PRIOR_ROWS",
    "evidence_calls:WIDE",
    "evidence_calls:_OFFSET_MS",
    "evidence_counts:USUAL_COMPARISONS",
    "evidence_logs:LEAST",
    "evidence_statements:_FRONT",
)
LOGS: Final = (
    "logpatterns:TemplateMiner.__init__.similarity",
    "logpatterns:TemplateMiner.__init__.words",
    "logpatterns:TemplateMiner.__init__.depth",
    "logpatterns:TemplateMiner.__init__.most_alike",
    "logpatterns:TemplateMiner.__init__.most_templates",
    "logpatterns:_SHARED",
    "logpatterns_likeness:_NAME_WEIGHT",
    "logpatterns_tokens:MOST_TOKENS",
)
SESSIONS: Final = (
    "logsequences:SequenceModel.__init__.false_share",
    "logsequences:_FOLDS",
    "logsequences:_MOST_VECTORS",
)

DIALS: Final = frozenset(
    {
        "anomaly_online:OnlineDetector.__init__.sensitivity",
        "anomaly:judge.sensitivity",
        "logsequences:SequenceModel.__init__.false_share",
    }
)
"""What a caller sets, to be told more or less: meant to change what is found."""

NOT_MOVED: Final = {
    "SCATTER, IQR_TO_SIGMA, _SCATTER, BIWEIGHT": (
        "mathematics: a standard deviation over a quantile of the normal distribution; the usual "
        "constant of Tukey's biweight"
    ),
    "HOUR, DAY, WEEK, DAY_HOURS, WEEK_HOURS, PERIODS": "the calendar",
    "TAIL, _SHAPES, _BENDS, JOINTS": (
        "a grid of percentiles, shapes or places that formulas beside it belong to"
    ),
    "DEFAULT_SENSITIVITY": "the unit that a caller's sensitivity is counted in",
    "HUGE, LATEST, LARGEST, FARTHEST, MOST_DEVIATIONS, _RIDGE, _NOTHING": (
        "bounds of arithmetic, orders of magnitude beyond data"
    ),
    "AT_ONCE, _CELLS, _MOST_REPEATED, _MOST_KNOWN, _MOST_KEPT, _MOST_WORDS, _LONGEST…": (
        "bounds of memory and of a line: what they cut is forgotten and found again"
    ),
    "FEWEST, MISSING_SHARE (anomaly), TOLD, _WORDS, MOST_METRICS, FAITHFUL": (
        "what is said about a result, not what is found"
    ),
    "correlate*, forecast, logbaseline": (
        "no labelled public data set is scored for them: their own tests tell"
    ),
}
"""What is not moved, and why."""
