"""One full sample of every record type, as content: generated persons, real check digits, every optional element.

``sample("Conclusion", ResultCode="DENY")`` gives content with changes, ``record(...)`` its canonical bytes.
"""

from __future__ import annotations

from typing import Any

from node.standard.compose import compose
from tests.support.department_samples import ATTACHED, PENALTIES, REQUESTS
from tests.support.sample_values import ACTOR, CASE_HEADER, CASE_NO, CITIZEN, CREDIT_CODE, HASH, SALT, SIGNATURE
from tests.support.supervision_samples import SUPERVISION

__all__ = ["ACTOR", "CASE_HEADER", "CASE_NO", "CITIZEN", "CREDIT_CODE", "HASH", "SALT", "SIGNATURE"]

HEADER: dict[str, Any] = {"RecordKey": "sample:1", "EventTime": "2026-01-05T09:30:00+08:00"}
MATERIAL = {"MaterialName": "申请书", "MediaType": "0", "CopyKind": "1", "Count": "2"}
SUMMARY_KEY = {
    "@Division": "360102",
    "@Org": CREDIT_CODE,
    "@Task": "10131300500698857413440400",
    "@Channel": "API",
    "Value": [{"@Indicator": "accepted", "#text": "3"}, {"@Indicator": "fees", "#text": "-1250"}],
}
COMPARED = {
    "@Case": CASE_NO,
    **{name: text for name, text in SUMMARY_KEY.items() if name != "Value"},
    "@Indicator": "accepted",
}
CHECKPOINT = {
    "Origin": "360102",
    "Audience": "ancestors",
    "Size": "2",
    "Root": HASH,
    "SealedAt": "2026-01-05T01:30:00Z",
    "Signer": HASH,
    "Signature": SIGNATURE,
}
RECEIPT = {
    "Holder": "360100",
    "Origin": "360102",
    "Audience": "ancestors",
    "Size": "2",
    "Root": HASH,
    "ReceivedAt": "2026-01-05T01:30:00Z",
    "Signer": HASH,
    "Signature": SIGNATURE,
}

_CASE: dict[str, dict[str, Any]] = {
    "Application": {
        "TaskName": "测试许可",
        "TaskVersion": "1",
        "ProjectType": "2",
        "ApplyType": "11",
        "ProjectName": '测试项目 <一> & "二"',
        "ApplicantType": "1",
        "ApplicantName": "测试乙",
        "ApplicantIdType": "111",
        "ApplicantIdNo": CITIZEN,
        "LegalPerson": "测试丙",
        "ContactName": "测试丁",
        "ContactPhone": "13900000000",
        "ContactEmail": "a@example.org",
        "AgentName": "测试戊",
        "AgentIdType": "001",
        "AgentIdNo": CREDIT_CODE,
        "Address": "测试路1号",
        "PostCode": "330000",
        "InvestmentProjectCode": "2026-360102-01",
        "ParentCaseNo": CASE_NO,
        "ReceiptNo": "测〔2026〕2号",
        "ServicePoint": "测试中心",
        "MaterialItem": [MATERIAL, MATERIAL],
        "Remark": "第一行\n第二行\r第三行",
    },
    "PreAcceptance": {
        "PreAcceptanceState": "2",
        "Reason": "不属于本机关职权",
        "SupplementText": "说明",
        "HandleUserName": "测试甲",
        "HandleUserNo": "0001",
        "Place": "测试中心",
    },
    "Acceptance": {
        "AcceptanceState": "1",
        "Reason": "说明",
        "AcceptDocNo": "受〔2026〕1号",
        "HandleUserName": "测试甲",
        "StatutoryLimit": "20",
        "StatutoryLimitUnit": "G",
        "PromiseLimit": "5",
        "PromiseLimitUnit": "Z",
        "PromiseDate": "2026-01-12",
        "FeeDue": "12.5",
        "ProjectType": "2",
        "QueueNo": "A001",
        "Deemed": "true",
    },
    "ReviewStep": {
        "StepCode": "2",
        "StepName": "审核",
        "HandleUserName": "测试甲",
        "Duty": "科长",
        "Opinion": "同意",
        "StepState": "2",
        "Action": "PASS",
        "EventEndTime": "2026-01-05T10:30:00.5Z",
        "ApprovalMode": "JOINT_SIGNATURE",
        "Branch": "1",
        "Branches": "2",
        "JoinedBranch": ["1", "2"],
        "Round": "1",
        "RemarkSignature": {
            "SignerFingerprint": HASH,
            "SignatureAlgorithm": "ECDSA_P256_SHA256",
            "SignedDigest": HASH,
            "SignatureValue": SIGNATURE,
        },
    },
    "SupplementNotice": {
        "HandleUserName": "测试甲",
        "Reason": "材料不齐",
        "MaterialItem": [MATERIAL],
        "TimeLimit": "5",
    },
    "SupplementReceipt": {"HandleUserName": "测试甲", "MaterialItem": [MATERIAL], "Place": "测试中心"},
    "SpecialProcedureStart": {
        "Kind": "2",
        "KindDetail": "HEARING",
        "KindName": "听证",
        "Approver": "测试甲",
        "Reason": "依法听证",
        "Text": "内容",
        "Limit": "20",
        "LimitUnit": "G",
        "NotifiedTime": "2026-01-05T11:00:00+08:00",
    },
    "SpecialProcedureEnd": {"Outcome": "听证结束", "OutcomeDate": "2026-01-20", "FeeAmount": "0"},
    "Conclusion": {
        "ResultCode": "GRANT",
        "ResultText": "准予许可",
        "Reason": "说明",
        "HandleUserName": "测试甲",
        "DocumentNo": "决〔2026〕1号",
        "CertificateName": "测试许可证",
        "CertificateNo": "JY001",
        "CertificateValidity": "5年",
        "IssueOrgName": "测试局",
        "FeeAmount": "120.50",
    },
    "Collection": {
        "CollectorName": "测试乙",
        "CollectorIdType": "111",
        "CollectorIdNo": CITIZEN,
        "CollectionWay": "1",
        "WaybillNo": "SF001",
        "ReceiverName": "测试乙",
    },
    "Material": {
        **MATERIAL,
        "AttachmentHash": HASH,
        "AttachmentBytes": "1024",
        "AttachmentMediaType": "application/pdf",
        "AttachmentName": "附件.pdf",
    },
    "Fee": {
        "PaymentNo": "JK001",
        "FeeOrgName": "测试局",
        "FeeItem": "工本费",
        "AmountDue": "120.50",
        "Reduction": "20.5",
        "AmountPaid": "100",
        "ReductionReason": "小微企业",
        "FeeState": "1",
        "Payer": "测试乙",
    },
    "Extension": {
        "ExtensionDays": "10",
        "Approver": "测试甲",
        "Reason": "案情复杂",
        "NotifiedTime": "2026-01-05T11:00:00+08:00",
    },
}
_OTHER: dict[str, dict[str, Any]] = {
    "Item": {
        "DivisionCode": "360102",
        "TaskCode": "10131300500698857413440400",
        "CatalogCode": "XK0010100Y",
        "TaskHandleItem": "H-1",
        "TaskVersion": "1",
        "TaskName": "测试许可",
        "TaskType": "01",
        "ByLaw": "《中华人民共和国行政许可法》",
        "UseLevel": "4",
        "OrgCode": CREDIT_CODE,
        "OrgName": "测试局",
        "DeptType": "1",
        "StatutoryLimit": "20",
        "StatutoryLimitUnit": "G",
        "PromiseLimit": "5",
        "PromiseLimitUnit": "G",
        "ProjectType": "2",
        "ServiceObject": ["1", "2"],
        "HandleForm": ["1", "2"],
        "SpecialProcedure": "听证",
        "AcceptCondition": "条件",
        "IsFee": "true",
        "FeeBasis": "依据",
        "FeeItem": [{"FeeName": "工本费", "FeeStandard": "10元/证", "Reducible": "false"}],
        "ResultName": "许可证",
        "Place": "测试中心",
        "OpenHours": "9:00-17:00",
        "Phone": "0791-0000000",
        "SupervisePhone": "0791-0000001",
        "Step": [{"StepNo": "1", "StepName": "承办", "StepLimit": "2"}],
        "MaterialItem": [
            {"MaterialName": "申请书", "Issuer": "测试局", "Originals": "1", "Copies": "0", "Required": "true"}
        ],
        "TaskState": "1",
        "ValidFrom": "2026-01-01",
        "ValidTo": "2030-12-31",
    },
    "Organisation": {
        "OrgCode": CREDIT_CODE,
        "OrgName": "测试局",
        "ShortName": "测局",
        "OldOrgCode": "006988574",
        "DivisionCode": "360102",
        "ParentOrgCode": CREDIT_CODE,
        "ValidFrom": "2020-01-01",
        "ValidTo": "2030-12-31",
    },
    "Division": {
        "DivisionCode": "360102",
        "DivisionName": "东湖区",
        "ParentCode": "360100",
        "BusinessParentCode": "360000",
        "DivisionLevel": "4",
        "Kind": "STATUTORY",
        "ValidFrom": "1980-01-01",
        "ValidTo": "2030-12-31",
        "ReplacedBy": "360103",
    },
    "Calendar": {
        "Year": "2026",
        "CalendarVersion": "1",
        "Status": "OFFICIAL",
        "SourceDocument": "通知",
        "OffDay": ["2026-01-01", "2026-01-02"],
        "WorkDay": ["2026-01-04"],
    },
    "StatisticsSummary": {
        "Day": "2026-01-05",
        "DefinitionVersion": "1",
        "Part": "1",
        "Parts": "1",
        "Own": {"Key": [SUMMARY_KEY]},
        "Subtree": {
            "Child": [{"@Code": "360102", "@Position": "9"}],
            "Missing": [{"@Code": "360103"}],
            "Key": [SUMMARY_KEY],
        },
    },
    "SummaryVerdict": {
        "Origin": "360102",
        "Position": "9",
        "Day": "2026-01-05",
        "Verdict": "DISPUTED",
        "Differing": [
            {
                **{name: text for name, text in SUMMARY_KEY.items() if name != "Value"},
                "@Indicator": "accepted",
                "@Stated": "3",
                "@Computed": "2",
            }
        ],
    },
    "FigureComparison": {
        "Origin": "360102",
        "Position": "9",
        "Day": "2026-01-05",
        "Number": "4",
        "Asked": ["0a", "ff00"],
        "Waiting": ["-", "1b2c"],
        "Found": [
            {
                **COMPARED,
                "@Stated": "0",
                "@Computed": "1",
                "@Counted": "1",
                "@Cause": "ORIGIN",
                "Record": ["3", "4"],
            }
        ],
        "More": "true",
        "Outcome": "MORE",
    },
    "ComparisonAnswer": {
        "Position": "9",
        "Day": "2026-01-05",
        "Number": "4",
        "Size": "12",
        "Told": [
            {"@Range": "0a", "Contribution": [{**COMPARED, "@Amount": "-3"}]},
            {"@Range": "ff00", "Digests": "A" * 5462 + "=="},
        ],
    },
    "Handover": {
        "CaseNo": CASE_NO,
        "DivisionCode": "360102",
        "ReceivingNode": "360103",
        "LastPosition": "9",
        "Reason": "管辖变更",
        "Actor": ACTOR,
    },
    "Takeover": {
        "CaseNo": CASE_NO,
        "DivisionCode": "360103",
        "Stream": "360102/360103",
        "Position": "1",
        "Actor": ACTOR,
    },
    "Acknowledgement": {"Stream": "360000/360102", "Position": "1", "Text": "已阅", "Actor": ACTOR},
    "Rejection": {
        "Stream": "360102/ancestors",
        "FirstPosition": "3",
        "LastPosition": "4",
        "Reason": "INVALID",
        "Text": "不符合标准",
    },
    "Alarm": {"Kind": "FORK", "Stream": "360102/ancestors", "Subject": "分叉", "Text": "两份检查点"},
    "ForkResolution": {"Stream": "360102/ancestors", "Size": "2", "Root": HASH, "Text": "裁定", "Actor": ACTOR},
    "StreamReturn": {
        "Stream": "360102/ancestors",
        "CommonSize": "2",
        "Abandoned": [
            {
                "Size": "3",
                "Root": HASH,
                "SealedAt": "2026-01-05T01:30:00Z",
                "Signer": HASH,
                "Signature": SIGNATURE,
            }
        ],
    },
    "Redaction": {
        "Stream": "360102/ancestors",
        "Position": "3",
        "CaseNo": CASE_NO,
        "ApprovalNo": "赣〔2026〕1号",
        "LeafHash": HASH,
        "Reason": "当事人信息误填",
    },
    "CertificateIssued": {
        "NodeCode": "360102",
        "NodeName": "东湖区",
        "LevelName": "county",
        "ParentCode": "360100",
        "Division": ["360102"],
        "Certificate": SIGNATURE,
        "IssuingCertificate": SIGNATURE,
    },
    "Revocation": {
        "NodeCode": "360102",
        "Fingerprint": HASH,
        "Reason": "密钥泄露",
        "Standing": [{"Stream": "360102/ancestors", "Size": "2", "Root": HASH}],
    },
    "Move": {"NodeCode": "360102", "FromParent": "360100", "ToParent": "360000", "Reason": "省直管"},
    "SchemaRelease": {"ReleaseVersion": "1.1", "Hash": HASH, "ValidFrom": "2027-01-01", "Text": "变更"},
}
SAMPLES: dict[str, dict[str, Any]] = {
    **{name: {**CASE_HEADER, **content} for name, content in _CASE.items()},
    **ATTACHED,
    **REQUESTS,
    **PENALTIES,
    **{name: {**HEADER, **content} for name, content in (_OTHER | SUPERVISION).items()},
}
HEAD: dict[str, Any] = {
    "@Id": "head",
    "Tree": HASH,
    "Sender": "360102",
    "Receiver": "360100",
    "Protocol": "1",
    "StartId": "ab" * 16,
    "SentAt": "2026-01-05T01:30:00Z",
    "Purpose": "PUSH",
    "Slice": [
        {
            "Origin": "360102",
            "Audience": "ancestors",
            "First": "1",
            "Last": "2",
            "Checkpoint": CHECKPOINT,
            "LeavesHash": HASH,
            "Lengths": "900 0",
            "Redacted": [{"Position": "2", "LeafHash": HASH}],
            "Announced": [{"Checkpoint": CHECKPOINT}],
        }
    ],
    "Receipt": [RECEIPT],
    "Verdict": [
        {
            "Origin": "360000",
            "Audience": "descendants",
            "First": "1",
            "Last": "2",
            "Verdict": "HELD",
            "Held": "2",
            "Reason": "已存",
            "Deferred": {"Count": "1", "First": "2"},
        }
    ],
    "Statement": {
        "Unsettled": "false",
        "Digest": [{"@Origin": "360102", "#text": HASH}],
        "Stream": [{"Origin": "360102", "Audience": "360000", "Size": "0", "Root": HASH}],
    },
    "Certificate": [SIGNATURE],
    "More": "true",
}


def sample(record_type: str, **changes: Any) -> dict[str, Any]:
    """Return the full sample content of a type with some elements changed (None leaves an element out)."""
    return {**SAMPLES[record_type], **changes}


def record(record_type: str, **changes: Any) -> bytes:
    """Return the canonical bytes of a sample with some elements changed; not necessarily valid."""
    return compose(record_type, sample(record_type, **changes), salt=SALT)
