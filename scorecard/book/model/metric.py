"""One number with an owner, a direction and a role; and the measures it can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from scorecard.book.functions import Kind
from scorecard.book.model.organization import Person
from scorecard.ground.errors import Place
from scorecard.ground.periods import Grain
from scorecard.ground.values import dataclass
from scorecard.judgement.targets import Better, Target, Tolerance, Versus

if TYPE_CHECKING:
    import sqlglot.expressions as exp

    from scorecard.book.outline import Outline

Role = Literal["leading", "lagging"]
SliceKind = Literal["team", "process"]
Fold = Literal["last", "mean", "max"]


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A whitelisted SQL expression. ``columns`` are the normalised columns (or metric names) it reads.

    Equal texts are equal expressions, so that states can be shared between metrics. ``spots``: each name that it reads and
    where that stands in the YAML, in order.
    """

    text: str
    kind: Kind
    outline: Outline
    columns: frozenset[str]
    place: Place | None = None
    spots: tuple[tuple[str, Place], ...] = ()

    @property
    def tree(self) -> exp.Expression:
        """The parser's tree, shared between equal texts: copy before changing it. Made, and the parser loaded, when first
        asked for: a check needs neither."""
        from scorecard.book.sqlparse import tree_of

        return tree_of(self.text, self.kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, slots=True)
class Count:
    """Rows, or the non-null values of a row expression (None: rows)."""

    of: Expression | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    of: Expression


@dataclass(frozen=True, slots=True)
class Mean:
    of: Expression


@dataclass(frozen=True, slots=True)
class Quantile:
    """``q`` between 0 and 1; linear interpolation (``quantile_cont``)."""

    of: Expression
    q: float


@dataclass(frozen=True, slots=True)
class Distinct:
    of: Expression


@dataclass(frozen=True, slots=True)
class Ratio:
    """Aggregate expressions above and below the line; the value is ``of / to * per``."""

    of: Expression
    to: Expression
    per: float = 1.0
    sampling: Literal["binomial", "poisson", "score", "none"] = "none"


@dataclass(frozen=True, slots=True)
class Stock:
    """Open at the period's end: rows with ``opened`` before it and ``closed`` null or not before it; counted or summed."""

    opened: str
    closed: str
    sum: Expression | None = None


@dataclass(frozen=True, slots=True)
class Formula:
    """Arithmetic over metric names; ``previous(m)`` and ``year_ago(m)`` too. ``expression.columns`` are the metrics."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class Change:
    """Another metric against its own history; ``percent`` is a share of the other value's size."""

    of: str
    versus: Versus
    as_: Literal["percent", "points"] = "percent"


@dataclass(frozen=True, slots=True)
class Level:
    """A stock whose rows state the level themselves, one line of them per value of ``key`` (none: one line).

    ``carry`` False: daily snapshots, a key that is in none of a day's rows is gone. True: a change log, each key keeps
    its last value, and null ends it. ``fold``: which of a period's levels counts.
    """

    of: Expression
    key: tuple[str, ...] = ()
    fold: Fold = "last"
    carry: bool = False


@dataclass(frozen=True, slots=True)
class Age:
    """How old the open items are as of the period's end: the quantile ``q`` in the metric's unit, or the share of them
    that is older than ``over_seconds``; one of the two is None."""

    opened: str
    closed: str
    q: float | None = 0.9
    over_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """A ratio of aggregates dated by the cohort's start; a period is judged ``matures_after_seconds`` after its end."""

    of: Expression
    to: Expression
    matures_after_seconds: int
    sampling: Literal["binomial", "none"] = "none"


@dataclass(frozen=True, slots=True)
class Cumulative:
    """Another metric running up from the start of a longer period; or, ``weeks`` given, over so many weeks up to the end."""

    of: str
    over: Literal["month", "quarter", "year"] | None
    weeks: int | None = None


@dataclass(frozen=True, slots=True)
class Scaling:
    """The elasticity of one metric with respect to another, by quarters; ``quality`` must not suffer."""

    output: str
    input: str
    quality: str | None = None


@dataclass(frozen=True, slots=True)
class Manual:
    """Values come from people. ``second_person``: a value counts once another person has signed it off."""

    fold: Literal["last", "sum", "mean"] = "last"
    second_person: bool = False


Measure = (
    Count
    | Sum
    | Mean
    | Quantile
    | Distinct
    | Ratio
    | Stock
    | Level
    | Age
    | Cohort
    | Cumulative
    | Formula
    | Change
    | Scaling
    | Manual
)


@dataclass(frozen=True, slots=True)
class Split:
    """Besides the whole, one reading per value of ``column``."""

    kind: SliceKind
    column: str


@dataclass(frozen=True, slots=True)
class Lead:
    metric: str
    lag: str
    sign: Literal["same", "opposite"]


@dataclass(frozen=True, slots=True)
class Metric:
    """``source`` and ``time`` are None for measures that read no rows (formula, change, …).

    ``later`` lists keys whose feature is not computed yet (so ``check`` warns). ``definition`` is the metric's own YAML,
    as text, for its page. ``min_sample`` 1 means no minimum. ``targets`` keep the order in which they are written.
    ``materiality``: how far a load may move a closed period before a person is asked.
    """

    name: str
    title: str
    measure: Measure
    role: Role
    better: Better | None
    describe: str | None = None
    process: str | None = None
    team: str | None = None
    split: Split | None = None
    owner: Person | None = None
    source: str | None = None
    time: str | None = None
    where: Expression | None = None
    grain: Grain = "week"
    unit: str | None = None
    targets: tuple[Target, ...] = ()
    min_sample: int = 1
    pace: Literal["profile", "workdays", "none"] = "profile"
    fresh_for_seconds: int | None = None
    final_after_seconds: int = 0
    leads: tuple[Lead, ...] = ()
    counter: tuple[str, ...] = ()
    weight: float = 1.0
    decimals: int | None = None
    tags: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    definition: str = ""
    materiality: Tolerance | None = None
    place: Place | None = None
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def percent(self) -> bool:
        return self.unit == "percent"

    @property
    def adds_up(self) -> bool:
        """Whether values of shorter periods add up to the longer one's (so the running period has a pace)."""
        return isinstance(self.measure, Count | Sum)
