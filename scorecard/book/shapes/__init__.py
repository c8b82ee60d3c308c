"""The grammar of metrics.yaml as data: the same shapes read the file, write its JSON Schema and are listed in its page.

Shapes are made once and never changed. They are plain dataclasses, not frozen and slotted ones: those take four times as long
to import, which `scorecard check` would pay at every start.
"""
