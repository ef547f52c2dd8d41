"""Applicants who do not exist, and say so.

Citizens have identity numbers with a valid check digit (GB 11643) on the division code 999999, which GB/T 2260 gives
to nobody; enterprises have valid credit codes (GB 32100) on the same code. Names begin with 生成测试, "generated for
tests".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.demo.codes import ENTERPRISE_BODY, citizen_number, credit_code

if TYPE_CHECKING:
    from node.demo.chance import Chance

NOWHERE: Final = "999999"
"""A division code that does not exist: no province of GB/T 2260 begins with 99."""

CITIZEN, ENTERPRISE = "1", "2"
IDENTITY_CARD, CREDIT_CODE = "111", "001"
_STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES: Final = "子丑寅卯辰巳午未申酉戌亥"
_TRADES: Final = ("餐饮", "商贸", "建筑", "物流", "文化", "劳务", "养殖", "健康", "置业", "科技")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Somebody who applies; ``legal_person`` is empty for citizens. ``phone`` is in a range that is not given out."""

    kind: str
    name: str
    id_type: str
    id_number: str
    person: str
    phone: str


def make_applicant(kind: str, chance: Chance) -> Applicant:
    """Return a citizen (``1``) or an enterprise (``2``) that nobody is."""
    person = "生成测试" + chance.pick(_STEMS) + chance.pick(_BRANCHES)
    phone = f"1000000{chance.number(0, 9999):04d}"
    if kind == CITIZEN:
        birth = f"{chance.number(1960, 2004)}{chance.number(1, 12):02d}{chance.number(1, 28):02d}"
        number = citizen_number(NOWHERE, birth, chance.number(1, 999))
        return Applicant(kind=kind, name=person, id_type=IDENTITY_CARD, id_number=number, person=person, phone=phone)
    name = f"生成测试{chance.pick(_STEMS)}{chance.pick(_BRANCHES)}{chance.pick(_TRADES)}有限公司"
    number = credit_code(NOWHERE, chance.number(0, 9999), registrar=ENTERPRISE_BODY)
    return Applicant(kind=kind, name=name, id_type=CREDIT_CODE, id_number=number, person=person, phone=phone)
