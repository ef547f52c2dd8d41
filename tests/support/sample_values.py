"""Values that the samples of record types share: generated persons, and numbers whose check digits are right."""

from __future__ import annotations

from typing import Any

SALT = bytes(range(16))
HASH = "ab" * 32
SIGNATURE = "MEUCIQ=="
CREDIT_CODE = "91350100M000100Y43"  # GB 32100's own example.
CITIZEN = "11010519491231002X"  # GB 11643's own example.
CASE_NO = "36010291350100M000100Y43XK0010100Y2026010500017D"

ACTOR = {
    "Account": "u1001",
    "Name": "测试甲",
    "Role": "窗口人员",
    "Unit": "测试局",
    "Authentication": "password",
}
CASE_HEADER: dict[str, Any] = {
    "CaseNo": CASE_NO,
    "OrigSystem": "测试系统",
    "OrigCaseNo": "10131300500698857411409161687",
    "Sequence": "1",
    "DataVersion": "2",
    "Correction": {"Stream": "360102/ancestors", "Position": "7", "Reason": "录入错误", "ApprovalNo": "测〔2026〕1号"},
    "Channel": "FILE",
    "DivisionCode": "360102",
    "OrgCode": CREDIT_CODE,
    "OrgName": "测试局",
    "TaskCode": "10131300500698857413440400",
    "EventTime": "2026-01-05T09:30:00+08:00",
    "Actor": ACTOR,
}
