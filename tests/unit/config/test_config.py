"""Settings: every key is checked at start, and a wrong one is named with its file and what is allowed."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from node.config import (
    LEVELS_FOLDER,
    NODE_FILE,
    Listener,
    NodeConfig,
    ParentAddress,
    level_folders,
    level_names,
    load_config,
    load_level,
    write_node_config,
    write_parent,
)
from node.config.keys import LEVEL_KEYS, NODE_KEYS, Key
from node.errors import ConfigurationError, NotInitialisedError, StoreUnavailableError

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config" / "levels"
COUNTY = {"node.code": "360102", "node.name": "东湖区", "node.level": "county"}


def load(home: Path) -> NodeConfig:
    return load_config(home, shipped_levels=SHIPPED)


def write(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / NODE_FILE).write_text(text, encoding="utf-8")


def test_what_init_writes_is_read_back(tmp_path: Path) -> None:
    write_node_config(tmp_path, {**COUNTY, "link.port": 9001, "face.host": "127.0.0.2"})
    config = load(tmp_path)
    assert (config.code, config.name, config.level.name) == ("360102", "东湖区", "county")
    assert (config.link.port, config.face.host, config.parent) == (9001, "127.0.0.2", None)
    assert config.database_url == f"sqlite:///{tmp_path.resolve()}/yizhan.sqlite"
    assert (config.time_zone, config.level.label) == ("Asia/Shanghai", "县级 County")


def test_writing_the_same_node_again_changes_nothing(tmp_path: Path) -> None:
    assert write_node_config(tmp_path, COUNTY)
    before = (tmp_path / NODE_FILE).read_bytes()
    assert not write_node_config(tmp_path, COUNTY)
    assert (tmp_path / NODE_FILE).read_bytes() == before


def test_another_node_in_the_same_home_is_refused(tmp_path: Path) -> None:
    write_node_config(tmp_path, COUNTY)
    with pytest.raises(ConfigurationError, match=r"node\.code is '360102' there and '360103' here"):
        write_node_config(tmp_path, {**COUNTY, "node.code": "360103"})


def test_a_value_that_is_not_allowed_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"node\.code .*6, 9 or 12 digits"):
        write_node_config(tmp_path, {**COUNTY, "node.code": "36010"})
    assert not (tmp_path / NODE_FILE).exists()


def test_a_home_without_a_node_is_not_initialised(tmp_path: Path) -> None:
    with pytest.raises(NotInitialisedError, match="yizhan init"):
        load(tmp_path)


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    write(tmp_path, '[node]\ncode = "360102"\nname = "x"\nlevle = "county"\n')
    with pytest.raises(
        ConfigurationError, match=r"node\.toml: unknown key node\.levle .*Nearest known key: node\.level"
    ):
        load(tmp_path)


def test_an_unknown_empty_table_is_refused(tmp_path: Path) -> None:
    write(tmp_path, '[node]\ncode = "360102"\nname = "x"\nlevel = "county"\n[links]\n')
    with pytest.raises(ConfigurationError, match="unknown key links"):
        load(tmp_path)


def test_a_missing_key_names_what_is_allowed(tmp_path: Path) -> None:
    write(tmp_path, '[node]\ncode = "360102"\nname = "x"\n')
    with pytest.raises(ConfigurationError, match=r"key node\.level is missing .*the name of a level file"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("node", "code = 360102"),
        ("node", 'name = ""'),
        ("node", 'name = "two\\nlines"'),
        ("node", 'name = "de\\u007fl"'),
        ("node", 'level = "County"'),
        ("node", 'time_zone = "Asia/Nowhere"'),
        ("node", "time_zone = 8"),
        ("database", 'url = "mysql://x"'),
        ("link", "port = 65536"),
        ("link", "port = true"),
        ("link", 'port = "8441"'),
        ("face", 'plain_allowed = "yes"'),
        ("face", 'public_url = "node.example.cn"'),
        ("face", 'public_url = "https://node.example.cn/"'),
        ("face", 'public_url = "https://Node.example.cn"'),
        ("parent", 'code = "abc"'),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(tmp_path: Path, table: str, line: str) -> None:
    node = {"code": '"360102"', "name": '"x"', "level": '"county"'}
    if table == "node":
        name, _, value = line.partition(" = ")
        node[name] = value
    text = "[node]\n" + "".join(f"{name} = {value}\n" for name, value in node.items())
    write(tmp_path, text if table == "node" else f"{text}[{table}]\n{line}\n")
    key = f"{table}.{line.split(' ', maxsplit=1)[0]}"
    with pytest.raises(ConfigurationError, match=rf"node\.toml: the value of {key} is not allowed .*Allowed: "):
        load(tmp_path)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "code = = 1\n")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load(tmp_path)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / NODE_FILE).write_bytes("name = '东湖区'".encode("gb18030"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path)


def test_join_writes_the_parent_and_keeps_the_rest(tmp_path: Path) -> None:
    write_node_config(tmp_path, {**COUNTY, "link.port": 9001})
    path = tmp_path / NODE_FILE
    path.write_text(path.read_text(encoding="utf-8") + "# my own note\n", encoding="utf-8")
    for port in (9002, 9003):
        write_parent(tmp_path, ParentAddress(code="360100", host="city.example", port=port))
        assert load(tmp_path).parent == ParentAddress(code="360100", host="city.example", port=port)
    text = path.read_text(encoding="utf-8")
    assert "# my own note" in text
    assert text.count("[parent]") == 1
    assert load(tmp_path).link.port == 9001


@pytest.mark.parametrize("heading", ["[parent]  # the city", "[ parent ]"])
def test_join_finds_the_parent_however_its_table_is_headed(tmp_path: Path, heading: str) -> None:
    write_node_config(tmp_path, COUNTY)
    path = tmp_path / NODE_FILE
    before = path.read_text(encoding="utf-8")
    path.write_text(f'{before}\n{heading}\ncode = "360200"\nhost = "old"\n', encoding="utf-8")
    new = ParentAddress(code="360100", host="new", port=9)
    write_parent(tmp_path, new)
    assert load(tmp_path).parent == new


def test_join_leaves_a_parent_that_it_cannot_replace(tmp_path: Path) -> None:
    write_node_config(tmp_path, COUNTY)
    path = tmp_path / NODE_FILE
    before = 'parent = { code = "360200", host = "old" }\n' + path.read_text(encoding="utf-8")
    path.write_text(before, encoding="utf-8")
    assert load(tmp_path).parent == ParentAddress(code="360200", host="old", port=8441)
    with pytest.raises(ConfigurationError, match="in another form than a table"):
        write_parent(tmp_path, ParentAddress(code="360100", host="new", port=9))
    assert path.read_text(encoding="utf-8") == before


def test_a_root_with_a_parent_is_refused(tmp_path: Path) -> None:
    write_node_config(tmp_path, {"node.code": "360000", "node.name": "江西省", "node.level": "province"})
    write_parent(tmp_path, ParentAddress(code="100000", host="x", port=1))
    with pytest.raises(ConfigurationError, match="the level province is the root of its tree"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("table", "text"),
    [("parent", 'code = "360100"'), ("parent", 'host = "x"'), ("face", 'key_file = "k"')],
)
def test_half_of_a_pair_is_refused(tmp_path: Path, table: str, text: str) -> None:
    write(tmp_path, f'[node]\ncode = "360102"\nname = "x"\nlevel = "county"\n[{table}]\n{text}\n')
    with pytest.raises(ConfigurationError, match="belong together"):
        load(tmp_path)


def test_client_certificates_need_tls(tmp_path: Path) -> None:
    write(tmp_path, '[node]\ncode = "360102"\nname = "x"\nlevel = "county"\n[face]\nclient_ca_file = "ca.pem"\n')
    with pytest.raises(ConfigurationError, match=r"face\.client_ca_file needs TLS"):
        load(tmp_path)


def test_files_named_in_the_settings_are_found_from_the_home(tmp_path: Path) -> None:
    values = {
        "face.certificate_file": "tls/face.pem",
        "face.key_file": "/etc/face.key",
        "face.client_ca_file": "tls/departments.pem",
        "face.public_url": "https://node.example.cn:8443/yizhan",
        "keys.passphrase_file": "word",
    }
    write_node_config(tmp_path, {**COUNTY, **values, "database.url": "postgresql+psycopg://host/db"})
    config = load(tmp_path)
    assert config.face.certificate_file == tmp_path.resolve() / "tls/face.pem"
    assert config.face.key_file == Path("/etc/face.key")
    assert config.face.client_ca_file == tmp_path.resolve() / "tls/departments.pem"
    assert config.face.public_url == "https://node.example.cn:8443/yizhan"
    assert config.key_passphrase_file == tmp_path.resolve() / "word"
    assert config.database_url == "postgresql+psycopg://host/db"


def test_an_absolute_database_stays_as_it_is(tmp_path: Path) -> None:
    write_node_config(tmp_path, {**COUNTY, "database.url": "sqlite:////var/lib/a.sqlite"})
    assert load(tmp_path).database_url == "sqlite:////var/lib/a.sqlite"


def test_every_shipped_level_has_the_same_keys() -> None:
    levels = {name: load_level(name, (SHIPPED,)) for name in level_names((SHIPPED,))}
    assert {"province", "city", "county"} <= set(levels)
    assert {name for name, level in levels.items() if level.root} == {"province"}
    assert [levels[name].children_depth for name in ("province", "city", "county")] == [3, 2, 1]


def test_a_township_is_added_below_a_county_without_touching_code(tmp_path: Path) -> None:
    (tmp_path / LEVELS_FOLDER).mkdir()
    text = (SHIPPED / "county.toml").read_text(encoding="utf-8")
    text = (
        text.replace("县级", "乡级").replace("County", "Township").replace("children_depth = 1", "children_depth = 0")
    )
    (tmp_path / LEVELS_FOLDER / "township.toml").write_text(text, encoding="utf-8")
    write_node_config(tmp_path, {"node.code": "360102001", "node.name": "公园街道", "node.level": "township"})
    level = load(tmp_path).level
    assert (level.name, level.label, level.children_depth, level.root) == ("township", "乡级 Township", 0, False)
    assert "township" in level_names(level_folders(tmp_path, SHIPPED))


def test_a_level_file_of_the_home_comes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / LEVELS_FOLDER).mkdir()
    shutil.copy(SHIPPED / "county.toml", tmp_path / LEVELS_FOLDER)
    own = tmp_path / LEVELS_FOLDER / "county.toml"
    own.write_text(own.read_text(encoding="utf-8").replace("long_poll_s = 25", "long_poll_s = 3"), encoding="utf-8")
    write_node_config(tmp_path, COUNTY)
    assert load(tmp_path).level.limits.long_poll_s == 3


def test_an_unknown_level_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Use one of: city, county, province"):
        load_level("township", level_folders(tmp_path, SHIPPED))


@pytest.mark.parametrize("cron", ["* * * *", "61 minutes", "0 0 * * 1", "", "@daily"])
def test_cron_text_that_is_ambiguous_or_broken_is_refused(tmp_path: Path, cron: str) -> None:
    text = (SHIPPED / "county.toml").read_text(encoding="utf-8").replace("40 2 * * *", cron)
    (tmp_path / "county.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"county\.toml: the value of schedules\.retention"):
        load_level("county", (tmp_path,))


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a.b", False)]
)
def test_a_listener_knows_whether_it_is_loopback_only(host: str, loopback: bool) -> None:  # noqa: FBT001 - a table's column.
    assert Listener(host=host, port=1).is_loopback is loopback


@pytest.mark.parametrize("key", [*NODE_KEYS, *LEVEL_KEYS], ids=lambda key: key.name)
def test_every_key_is_documented(key: Key) -> None:
    assert f"`{key.name}`" in (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", LEVEL_KEYS, ids=lambda key: key.name)
def test_every_level_key_is_in_the_readme_beside_the_level_files(key: Key) -> None:
    assert f"`{key.name}`" in (SHIPPED / "README.md").read_text(encoding="utf-8")


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        write_node_config(tmp_path / "file" / "home", COUNTY)


def test_a_disk_that_is_full_or_read_only_leaves_the_settings_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_node_config(tmp_path, COUNTY)
    before = (tmp_path / NODE_FILE).read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailableError, match="No space left"):
        write_parent(tmp_path, ParentAddress(code="360100", host="x", port=1))
    assert (tmp_path / NODE_FILE).read_bytes() == before
