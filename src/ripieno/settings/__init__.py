"""Every setting, documented where it is declared.

Order, strongest first: command-line flag, `RIPIENO_*` variable (nested names joined by two underscores:
`RIPIENO_WORKER__SLOTS`), the provider's own familiar variable (`OPENAI_API_KEY`), `ripieno.toml` or the file that
`RIPIENO_TOML` names, the default here. An empty variable counts as one that is not there. Unknown names are refused,
with the nearest known one.
"""

from ripieno.settings.loading import FAMILIAR, PREFIX, load, names
from ripieno.settings.tree import Role, Settings
from ripieno.settings.work import WorkerSettings

__all__ = ["FAMILIAR", "PREFIX", "Role", "Settings", "WorkerSettings", "load", "names"]
