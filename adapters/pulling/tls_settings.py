"""The settings by which a kind proves itself and its peer by certificates, whatever it speaks below TLS."""

from __future__ import annotations

from typing import Final

from adapters.contract import Setting

TLS_FILES: Final = (
    Setting(
        name="tls_ca_file",
        default="",
        zh="签发对方证书的 CA（PEM 文件）；留空用系统的",
        en="PEM file of the authority that issued the server's certificate; empty for those of the system",
    ),
    Setting(
        name="tls_certificate_file",
        default="",
        zh="客户端证书（PEM 文件，可含私钥）",
        en="PEM file of a client certificate, its key in it or apart",
    ),
    Setting(
        name="tls_key_file",
        default="",
        zh="客户端证书的私钥（PEM 文件）",
        en="PEM file of the client certificate's key",
    ),
)
