"""A real-time KPI scorecard: sources, metrics in YAML, judged and published scorecards."""

__version__ = "0.1.0"
