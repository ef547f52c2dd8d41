"""Second entry at a running node: a level opens it, and a browser goes through it over the real listener."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import httpx
from lxml import html

from node.standard.resources import level_folder
from tests.support.homes import applications
from tests.unit.cli.conftest import serving

if TYPE_CHECKING:
    from tests.support.homes import Home


def token_of(page: httpx.Response) -> str:
    return str(html.fromstring(page.text).xpath("//input[@name='token']")[0].get("value"))


def test_a_table_goes_through_the_real_listener_once_the_level_opens_the_pages(county: Home) -> None:
    key = county.call("sources", "add", "hall", "--division", "360102").document["key"]
    levels = county.folder / "levels"
    levels.mkdir()
    shipped = level_folder() / "county.toml"
    assert "entry = false" in shipped.read_text(encoding="utf-8")
    shutil.copy(shipped, levels)
    file = levels / "county.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("entry = false", "entry = true"), encoding="utf-8")
    table = applications(3).decode("gb18030").replace("申办", "申半", 1).encode("gb18030")
    with (
        serving(county) as service,
        httpx.Client(base_url=service.addresses()["face"], follow_redirects=True) as client,
    ):
        page = client.get("/entry/", headers={"Accept": "text/html"})
        home = client.post("/entry/sign-in", data={"token": token_of(page), "key": key})
        assert (home.status_code, home.url.path) == (200, "/entry/")
        looked = client.post(
            "/entry/import", data={"token": token_of(home)}, files={"file": ("申办.csv", table, "text/csv")}
        )
        assert "预览：尚未导入" in looked.text
        assert client.get("/entry/import/failed-rows").content.decode("gb18030").count("申半") == 1
        done = client.post("/entry/import/confirm", data={"token": token_of(looked)})
        assert "导入结果" in done.text
        client.cookies.clear()
        assert client.get("/entry/").url.path == "/entry/sign-in"
    assert county.call("status", code=None).document["cases"] == 2
