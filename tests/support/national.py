"""Rows of the national exchange tables, of one case."""

from __future__ import annotations

from typing import Final

CASE: Final = "36990211369902GE0000032FXK001320012026100800035K"
ACCEPT: Final = {
    "project_no": CASE,
    "cd_operation": "I",
    "task_code": "XK0013200111369902GE0000032F",
    "task_name": "占用、挖掘城市道路审批",
    "task_version": "1",
    "region_code": "369902",
    "org_code": "11369902GE0000032F",
    "org_name": "测试区城市管理局",
    "project_type": "2",
    "apply_date": "2026-10-08 10:52:17",
    "apply_type": "1",
    "applyer_name": "生成测试戊戌物流有限公司",
    "applyer_type": "2",
    "applyer_page_type": "001",
    "applyer_page_code": "91999999GE00335476",
    "accept_date": "2026-10-08 15:00:00",
    "accept_state": "1",
    "accept_doc_no": "受理〔2026〕1号",
    "handle_user_name": "测试承办员一",
    "anticipate_day": "20",
    "anticipate_type": "G",
}
STEP: Final = {
    "project_no": CASE,
    "row_guid": "1f0a",
    "process_name": "承办",
    "event_name": "通过",
    "event_start_time": "2026-10-09 09:00:00",
    "event_end_time": "2026-10-09 09:10:00",
    "handle_user_name": "测试承办员一",
    "handle_explain": "同意",
}
RESULT: Final = {
    "project_no": CASE,
    "result_type": "0",
    "result_date": "2026-10-19 14:10:10",
    "result_explain": "准予许可",
}
