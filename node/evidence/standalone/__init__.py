"""The verifier that needs nothing of this program: one file that is written beside every evidence file."""

from pathlib import Path
from typing import Final

VERIFIER: Final = Path(__file__).parent / "verify_evidence.py"
"""The file as it is handed out."""
