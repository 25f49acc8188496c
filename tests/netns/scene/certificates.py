"""Certificates of the scene, made with openssl: an authority, and what it certifies."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    certificate: Path
    key: Path

    @property
    def both(self) -> Path:
        """Certificate and key in one file, as baresip and sipp want them."""
        return self.certificate.with_suffix(".both.pem")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Authority:
    def __init__(self, folder: Path):
        self.folder = folder
        self.own = Certificate(folder / "ca.pem", folder / "ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                 "-nodes", "-days", "2", "-subj", "/CN=authority of the scene",
                 "-keyout", str(self.own.key), "-out", str(self.own.certificate))

    def certify(self, name: str, *alternatives: str) -> Certificate:
        """`alternatives` as in "IP:10.1.1.2" and "DNS:example.org"."""
        made = Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(alternatives)}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(request))
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.own.certificate),
                 "-CAkey", str(self.own.key), "-CAcreateserial", "-days", "2",
                 "-extfile", str(extensions), "-out", str(made.certificate))
        made.key.chmod(0o600)
        made.both.write_text(made.certificate.read_text() + made.key.read_text())
        return made
