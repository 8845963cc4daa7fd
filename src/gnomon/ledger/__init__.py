from gnomon.ledger.store import Ledger

__all__ = ["Ledger"]
