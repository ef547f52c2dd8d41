"""The findings of administrative penalties: their codes and what they are called. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.cases.life_cycle import Label

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS_INCOMPLETE = "PENALTY-STEPS-INCOMPLETE"
TRANSITION = "PENALTY-TRANSITION"
STEP_BEFORE_PREVIOUS = "PENALTY-STEP-BEFORE-PREVIOUS"
REASON_MISSING = "PENALTY-REASON-MISSING"
TOO_FEW_OFFICERS = "PENALTY-TOO-FEW-OFFICERS"
LIMITATION = "PENALTY-LIMITATION"
PRESERVATION_OPEN = "PENALTY-PRESERVATION-OPEN"
PRESERVATION_LATE = "PENALTY-PRESERVATION-LATE"
LEGAL_REVIEW_MISSING = "PENALTY-LEGAL-REVIEW-MISSING"
DISCUSSION_MISSING = "PENALTY-DISCUSSION-MISSING"
NOTICE_MISSING = "PENALTY-NOTICE-MISSING"
DEFENCE_RIGHT_MISSING = "PENALTY-DEFENCE-RIGHT-MISSING"
HEARING_RIGHT_MISSING = "PENALTY-HEARING-RIGHT-MISSING"
HOST_INVESTIGATED = "PENALTY-HOST-INVESTIGATED"
HEAVIER_AFTER_DEFENCE = "PENALTY-HEAVIER-AFTER-DEFENCE"
DECISION_LATE = "PENALTY-DECISION-LATE"
REMEDY_NOT_NOTIFIED = "PENALTY-REMEDY-NOT-NOTIFIED"
SUMMARY_LIMIT = "PENALTY-SUMMARY-LIMIT"
NOT_HANDED_OVER = "PENALTY-NOT-HANDED-OVER"
SERVICE_LATE = "PENALTY-SERVICE-LATE"
WITHDRAWN_LATE = "PENALTY-WITHDRAWN-LATE"
ON_SPOT_LIMIT = "PENALTY-ON-SPOT-LIMIT"
HANDED_IN_LATE = "PENALTY-HANDED-IN-LATE"
PLUS_FINE_LIMIT = "PENALTY-PLUS-FINE-LIMIT"
UNEXECUTED = "PENALTY-UNEXECUTED"

PENALTY_FINDING_LABELS: Mapping[str, Label] = {
    STEPS_INCOMPLETE: Label(chinese="环节不完整", english="stages are missing"),
    TRANSITION: Label(chinese="环节顺序不合规", english="a stage that the penalty's state does not allow"),
    STEP_BEFORE_PREVIOUS: Label(chinese="后一环节早于前一环节", english="a later stage is dated before an earlier one"),
    REASON_MISSING: Label(
        chinese="不予立案、不予处罚、撤销、终结或撤回公开无原因",
        english="refused, not penalised, revoked, ended or taken back from the public without a reason",
    ),
    TOO_FEW_OFFICERS: Label(chinese="执法人员少于两人（第42条）", english="fewer than two officers (art. 42)"),
    LIMITATION: Label(chinese="超过追责时效（第36条）", english="found after the limitation period (art. 36)"),
    PRESERVATION_OPEN: Label(
        chinese="先行登记保存未处理（第56条）", english="preserved evidence was never dealt with (art. 56)"
    ),
    PRESERVATION_LATE: Label(
        chinese="先行登记保存逾期处理（第56条）", english="preserved evidence was dealt with late (art. 56)"
    ),
    LEGAL_REVIEW_MISSING: Label(
        chinese="未经法制审核或审核未通过（第58条）", english="decided without passing the legal review (art. 58)"
    ),
    DISCUSSION_MISSING: Label(
        chinese="重大案件未经集体讨论（第57条）", english="a major case without collective discussion (art. 57)"
    ),
    NOTICE_MISSING: Label(
        chinese="处罚决定前未告知（第44条）", english="decided without notice to the party (art. 44)"
    ),
    DEFENCE_RIGHT_MISSING: Label(
        chinese="未告知陈述申辩权（第44条）", english="the notice leaves out the right to be heard (art. 44)"
    ),
    HEARING_RIGHT_MISSING: Label(
        chinese="应告知而未告知听证权（第63条）", english="the notice leaves out the right to a hearing (art. 63)"
    ),
    HOST_INVESTIGATED: Label(
        chinese="听证主持人为本案调查人员（第64条）", english="the host of the hearing investigated the case (art. 64)"
    ),
    HEAVIER_AFTER_DEFENCE: Label(
        chinese="因陈述申辩加重处罚（第45条）", english="a heavier penalty after the party was heard (art. 45)"
    ),
    DECISION_LATE: Label(chinese="超过办案期限作出决定（第60条）", english="decided after the limit (art. 60)"),
    REMEDY_NOT_NOTIFIED: Label(
        chinese="未告知复议诉讼途径（第59条）", english="the decision leaves out the remedies (art. 59)"
    ),
    SUMMARY_LIMIT: Label(
        chinese="超出当场处罚范围（第51条）", english="beyond what may be imposed on the spot (art. 51)"
    ),
    NOT_HANDED_OVER: Label(
        chinese="当场处罚未当场交付决定书（第52条）", english="the decision was not handed over on the spot (art. 52)"
    ),
    SERVICE_LATE: Label(chinese="决定书逾期送达（第61条）", english="the decision was served late (art. 61)"),
    WITHDRAWN_LATE: Label(
        chinese="决定变更后未及时撤回公开（第48条）",
        english="not taken back from the public in time after the decision changed (art. 48)",
    ),
    ON_SPOT_LIMIT: Label(
        chinese="超出当场收缴罚款限额（第68条）", english="more collected on the spot than allowed (art. 68)"
    ),
    HANDED_IN_LATE: Label(chinese="当场收缴罚款逾期上交（第71条）", english="fines were handed in late (art. 71)"),
    PLUS_FINE_LIMIT: Label(
        chinese="加处罚款超出罚款数额（第72条）", english="the additional fine exceeds the fine (art. 72)"
    ),
    UNEXECUTED: Label(chinese="有财产罚未执行完毕即结案", english="closed although fines were not collected"),
}
