"""What the digits of a division code say by themselves: the structure of GB/T 2260 and GB/T 10114. Pure.

Where divisions are published, their records say what stands above what, and nobody asks the digits. These functions
serve where no record says anything: a file of divisions that names no parents, and a township or village that was
never published. Routing and authority never ask them: the tree of nodes decides.

GB/T 2260, digits by pairs: province; 01-20 and 51-70 prefecture-level cities, 21-50 prefectures and leagues, 90
counties directly below the province (in municipalities 01 districts, 02 counties); 01-20 and 51-80 districts, 21-50
counties, 81-99 county-level cities. GB/T 10114 adds three digits for townships; three more are villages and
communities. Twelve digits may also be a shorter code filled up with zeros.
"""

from __future__ import annotations

from typing import Final

from node.standard.identifiers import DIVISION_LENGTH

MUNICIPALITIES: Final = frozenset({"11", "12", "31", "50"})
"""北京, 天津, 上海, 重庆: what stands below has no city between it and the municipality."""
PROVINCE_LEVEL, CITY_LEVEL, COUNTY_LEVEL, TOWNSHIP_LEVEL, VILLAGE_LEVEL = 2, 3, 4, 5, 6
"""DivisionLevel of the standard."""

_DIRECT_COUNTIES = "90"
_SUMMARY_GROUPS = ("01", "02")
_SUMMARY_COUNTY = "01"
_PREFECTURE_CITIES = (range(1, 21), range(51, 71))
_TOWNSHIP_LENGTH = 9
_NOTHING = "000"


def shortest_code(code: str) -> str:
    """Return the code without groups of three zeros behind the first six digits: ``360102001000`` is ``360102001``."""
    while len(code) > DIVISION_LENGTH and code.endswith(_NOTHING):
        code = code[: -len(_NOTHING)]
    return code


def county_by_digits(code: str) -> str:
    """Return the county of a township or village: its first six digits; a shorter code gives itself."""
    return code[:DIVISION_LENGTH]


def level_by_digits(code: str) -> int:
    """Return the level that a code of 6, 9 or 12 digits has by its structure, as DivisionLevel counts (province 2)."""
    short = shortest_code(code)
    if len(short) > DIVISION_LENGTH:
        return TOWNSHIP_LEVEL if len(short) == _TOWNSHIP_LENGTH else VILLAGE_LEVEL
    if short.endswith("0000"):
        return PROVINCE_LEVEL
    return CITY_LEVEL if short.endswith("00") else COUNTY_LEVEL


def parent_by_digits(code: str) -> str | None:
    """Return the code that stands above by structure; None above a province.

    A village gives its township, a township its county, a county its city. Counties of a municipality, and those
    directly below a province (90), give the province.
    """
    short = shortest_code(code)
    if len(short) > DIVISION_LENGTH:
        return short[:-3]
    province, group = short[:2], short[2:4]
    if short.endswith("0000"):
        return None
    if short.endswith("00") or group == _DIRECT_COUNTIES:
        return f"{province}0000"
    if province in MUNICIPALITIES and group in _SUMMARY_GROUPS:
        return f"{province}0000"
    return f"{province}{group}00"


def is_summary_code(code: str) -> bool:
    """Tell whether a code is a heading of statistics and no place: 市辖区 of a city, 市辖区 and 县 of a municipality.

    ``360101`` stands for all districts of 南昌 together, ``110100`` for those of 北京. In municipalities, prefectures
    and directly below a province 01 is a place: ``110101`` 东城区, ``222401`` 延吉市, ``469001`` 五指山市.
    """
    short = shortest_code(code)
    if len(short) != DIVISION_LENGTH or not (short.isascii() and short.isdigit()):
        return False
    province, group, last = short[:2], short[2:4], short[4:]
    if province in MUNICIPALITIES:
        return group in _SUMMARY_GROUPS and last == "00"
    return last == _SUMMARY_COUNTY and any(int(group) in cities for cities in _PREFECTURE_CITIES)
