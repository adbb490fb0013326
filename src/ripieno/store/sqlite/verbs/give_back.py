"""Give back: what a run that ends took from a mailbox and did not write down lies in its box again, in its place."""

from ripieno.domain import mail
from ripieno.domain.hints import HintKind
from ripieno.store.sqlite.transaction import Transaction

GIVE_BACK = """
UPDATE mail SET taken_by = NULL, taken_key = NULL, taken_at = NULL
WHERE taken_by = ? AND taken_at IS NOT NULL AND acknowledged_at IS NULL RETURNING box
"""


def give_back(tx: Transaction, tenant: str, run_id: str) -> None:
    """Put back into the boxes what the run has not acknowledged."""
    for box in sorted({row["box"] for row in tx.all(GIVE_BACK, (run_id,))}):
        tx.hint(mail.bell(tenant, box), HintKind.PROGRESS)
