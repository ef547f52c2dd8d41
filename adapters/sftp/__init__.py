"""The kind ``sftp``: a folder on an SFTP server of the department, or on one that it puts files onto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.contract import AdapterKind, Form, Setting, SourceNeedsPersonError
from adapters.folders.adapter import SHELVES, FolderAdapter
from adapters.folders.settings import FOLDER_SETTINGS, folder_rules
from adapters.sftp.host_keys import known_host_keys
from adapters.sftp.remote_place import RemotePlace
from adapters.sftp.session import Login

if TYPE_CHECKING:
    from adapters.contract import Opening


def open_sftp(opening: Opening) -> FolderAdapter:
    """Return the adapter of a folder on a server; nothing is connected yet."""
    settings, secrets = opening.settings, opening.secrets
    if not (secrets.get("password") or secrets.get("private_key")):
        raise SourceNeedsPersonError("neither private_key nor password is set: give one of these secrets")
    rules = folder_rules(settings, taken=SHELVES)
    login = Login(
        host=settings["host"],
        port=settings["port"],
        user=settings["user"],
        host_keys=known_host_keys(settings["host_keys"]),
        timeout_s=float(settings["timeout_s"]),
        password=secrets.get("password", ""),
        private_key=secrets.get("private_key", ""),
        passphrase=secrets.get("private_key_passphrase", ""),
    )
    place = RemotePlace(login, settings["folder"], rules.name_encoding, opening.monotonic_s)
    return FolderAdapter(opening, place, rules)


KIND: Final = AdapterKind(
    name="sftp",
    zh="SFTP：从服务器上的文件夹取件，并把文书放到该处",
    en="SFTP: takes files from a folder on a server, and puts documents there",
    settings=(
        Setting(name="host", length_max=253, zh="服务器的主机名或地址", en="Host name or address of the server"),
        Setting(
            name="port",
            form=Form.NUMBER,
            default=22,
            lowest=1,
            highest=65_535,
            zh="服务器的端口",
            en="Port of the server",
        ),
        Setting(name="user", length_max=100, zh="登录账户名", en="Name of the account on the server"),
        Setting(
            name="host_keys",
            form=Form.LIST,
            zh="服务器主机密钥，至少一个：SHA256:… 指纹、公钥，或 known_hosts 的一行；须向对方管理员核实",
            en="Host keys of the server, at least one: a fingerprint SHA256:…, a public key, or a line of known_hosts; "
            "to be had from its administrator",
        ),
        Setting(
            name="folder",
            default=".",
            zh="服务器上的文件夹；相对路径从登录后的目录算起",
            en="Folder on the server; a relative path begins where the account begins",
        ),
        Setting(
            name="timeout_s",
            form=Form.NUMBER,
            default=20.0,
            lowest=0.1,
            highest=110,
            zh="服务器多少秒不应答视为不通",
            en="Seconds without an answer after which the server counts as away",
        ),
        *FOLDER_SETTINGS,
        Setting(name="password", default="", secret=True, zh="登录密码", en="Password of the account"),
        Setting(
            name="private_key",
            default="",
            length_max=20_000,
            secret=True,
            zh="登录私钥的内容（ssh-keygen 生成的 Ed25519、ECDSA 或 RSA 私钥）",
            en="Content of the private key (Ed25519, ECDSA or RSA, as ssh-keygen writes it)",
        ),
        Setting(
            name="private_key_passphrase",
            default="",
            secret=True,
            zh="私钥的口令",
            en="Passphrase of the private key",
        ),
    ),
    open=open_sftp,
    every_s=60.0,
    patience_s=300.0,
    delivers=True,
    scale={
        "checked_before_saving": "done",
        "stable_key": "done",
        "answered_after_commit": "done",
        "bounded": "done",
        "secrets_apart": "done",
        "settings_documented": "done",
        "away_and_back": "done",
        "needs_person": "done",
        "resumes": "done",
        "nothing_twice": "done",
        "hostile_input": "done",
        "real_peer": "done",
        "delivers_downward": "done",
        "faults": "done",
        "troubleshooting": "done",
        "speed": "done",
    },
)
