"""Certificates that sign themselves, for servers that a test plays."""

from __future__ import annotations

import subprocess
from pathlib import Path


def certificate(folder: Path, name: str = "server", of: str = "IP:127.0.0.1") -> Path:
    """`name.crt` of these names, beside `name.key`."""
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}.test"]
    files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")]
    argv = ["openssl", "req", *made, *files, "-addext", f"subjectAltName={of}"]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return folder / f"{name}.crt"
