"""docs/reference/environment.md: every variable that a process of ours reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from outbox.kafka_settings import VARIABLES
from outbox.settings import OTHERS, SETTINGS, Setting
from strangler.settings import MEANING, PREFIX, Settings
from tests.pages.words import cell, row

TOP = """# Environment variables

Made of the settings by `python -m tests.pages`. Each is read once, when the process starts; an unknown `OUTBOX_*`,
`STRANGLER_*` or `KAFKA_*`, or a value that cannot be, ends the start with exit 2 and the fix. `strangler up` gives
its processes all that they need. Beside these a service reads the address of each of its vendors by the name that
its `HttpVendor` or `SmtpVendor` gives.
"""
TOOLKIT = (
    *(
        Setting(PREFIX + one.name.upper(), "" if one.default is None else str(one.default), one.metadata[MEANING])
        for one in fields(Settings)
    ),
    Setting(
        "LEGACY_URL", "", "the application, perhaps with a /BASE, for the facade (or `--upstream`) and for hand-back"
    ),
    Setting(
        "LEGACY_CA_FILE",
        "",
        "PEM: who may sign its certificate at https://... (or `--upstream-ca-file`), else the system's",
    ),
    Setting("FACADE_PORT", "8080", "where the facade listens, or `--port`"),
)
RELAY = [one for one in SETTINGS if one.name.startswith("OUTBOX_")]


def page() -> str:
    """The whole page."""
    kafka = [one for one in SETTINGS if one.name in VARIABLES]
    return (
        "\n".join(
            [
                TOP,
                *table("The toolkit", "Every verb of `strangler` reads them; a flag wins.", TOOLKIT),
                *table("The outbox", "The relay reads all of them, other processes those that concern them.", RELAY),
                *table("Consumers and services", "A `Consumer` of your own takes the same as arguments.", OTHERS),
                *table("Kafka", "Whoever reaches Kafka reads them: [how, with an example](kafka.md).", kafka),
            ]
        ).rstrip()
        + "\n"
    )


def table(title: str, about: str, settings: Sequence[Setting]) -> list[str]:
    rows = [row(f"`{one.name}`", default(one), cell(one.meaning)) for one in settings]
    return [f"## {title}", "", about, "", "| Variable | Default | |", "|---|---|---|", *rows, ""]


def default(setting: Setting) -> str:
    return f"`{setting.default}`" if setting.default else setting.otherwise
