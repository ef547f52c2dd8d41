"""The dictionary that both ends have: what records of the standard look like, so that the first one is short too.

It belongs to version 1 of the protocol and never changes within it (docs/reference/record-line.md has its hash): the
UTF-8 text below, from the least to the most frequent, because deflate refers to what is near with fewer bits.
"""

from __future__ import annotations

from typing import Final

_FORMS: Final = """\
经审查，符合法定条件，准予许可
材料齐全，符合法定形式，予以受理
不予许可
同意
承办
审核
批准
科员
科长
副局长
局长
申请书^1^2^1|身份证明^1^2^1|营业执照^1^2^1|授权委托书^1^2^1|证明
申办,受理,预受理,审批环节,补交告知,补交受理,特别程序申请,特别程序结果,办结,领取登记,材料,收费,延期
    <TaskVersion></TaskVersion>
    <LegalPerson></LegalPerson>
    <ContactName></ContactName>
    <ContactPhone></ContactPhone>
    <ContactEmail></ContactEmail>
    <AgentName></AgentName>
    <AgentIdType></AgentIdType>
    <AgentIdNo></AgentIdNo>
    <Address></Address>
    <PostCode></PostCode>
    <ReceiptNo></ReceiptNo>
    <ServicePoint></ServicePoint>
    <Remark></Remark>
    <Reason></Reason>
    <SupplementText></SupplementText>
    <HandleUserNo></HandleUserNo>
    <Place></Place>
    <PromiseLimit></PromiseLimit>
    <PromiseLimitUnit></PromiseLimitUnit>
    <PromiseDate></PromiseDate>
    <FeeDue></FeeDue>
    <QueueNo></QueueNo>
    <Duty></Duty>
    <TimeLimit></TimeLimit>
    <Kind></Kind>
    <KindDetail></KindDetail>
    <KindName></KindName>
    <Approver></Approver>
    <Text></Text>
    <Limit></Limit>
    <LimitUnit></LimitUnit>
    <NotifiedTime></NotifiedTime>
    <Outcome></Outcome>
    <OutcomeDate></OutcomeDate>
    <DocumentNo></DocumentNo>
    <CertificateName></CertificateName>
    <CertificateNo></CertificateNo>
    <CertificateValidity></CertificateValidity>
    <IssueOrgName></IssueOrgName>
    <MaterialName></MaterialName>
    <MediaType></MediaType>
    <CopyKind></CopyKind>
    <Count></Count>
    <PaymentNo></PaymentNo>
    <FeeOrgName></FeeOrgName>
    <FeeItem></FeeItem>
    <AmountDue></AmountDue>
    <AmountPaid></AmountPaid>
    <Payer></Payer>
    <ExtensionDays></ExtensionDays>
  </PreAcceptance>
  <PreAcceptance Version="1.0">
  </SupplementNotice>
  <SupplementNotice Version="1.0">
  </SupplementReceipt>
  <SupplementReceipt Version="1.0">
  </SpecialProcedureStart>
  <SpecialProcedureStart Version="1.0">
  </SpecialProcedureEnd>
  <SpecialProcedureEnd Version="1.0">
  </Material>
  <Material Version="1.0">
  </Fee>
  <Fee Version="1.0">
  </Extension>
  <Extension Version="1.0">
  </Certificate>
  <Certificate Version="1.0">
  </Delivery>
  <Delivery Version="1.0">
  </Evaluation>
  <Evaluation Version="1.0">
  </Consultation>
  <Consultation Version="1.0">
  </Complaint>
  <Complaint Version="1.0">
application/xml;charset=utf-8text/csvapplication/jsonapplication/octet-stream.xml.csv.json
记录类型,办件编号,序号,数据版本号,行政区划代码,办理机构代码,办理机构名称,实施编码,业务发生时间,事项名称,事项版本,办件类型,申请提交方式,申请人类型,申请人名称,申请人证件类型,申请人证件号\
码,联系人姓名,联系人电话,材料清单,备注,受理状态,受理文书编号,办理人姓名,法定办结时限,法定办结时限单位,承诺办结时限,承诺办结时限单位,办结结果代码,办结结果描述,预受理状态,环节代码,环节名\
称,审批人姓名,审批人职务,审批意见,环节状态,业务动作,环节结束时间,证件或盖章名称,证件编号,发证或盖章单位,法定代表人,特别程序种类,特别程序细类,特别程序种类名称,特别程序批准人,启动理由或依\
据,特别程序时限,特别程序时限单位,通知申请人时间,领取人姓名,领取人证件类型,领取人证件号码,领取方式,特别程序结果,结果产生日期
,1,1,369902,11369902YL0000012Q,市局,XK00101001136990220260105,2026-01-05 09:30:00,,,1,,,,,,,,,,1,受理〔20\
26〕1号,,5,G,0,G,,,,,,,,,,,,,,,,,,,,,,,,,,,,,
  <Application Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T09:30:00+08:00</EventTime>
    <TaskName>样例事项名称</TaskName>
    <ProjectType>2</ProjectType>
    <ApplyType>0</ApplyType>
    <ApplicantType>1</ApplicantType>
    <ApplicantName>样例甲</ApplicantName>
    <ApplicantIdType>111</ApplicantIdType>
    <ApplicantIdNo>369902199003070016</ApplicantIdNo>
  </Application>
  <Acceptance Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T09:50:00+08:00</EventTime>
    <AcceptanceState>1</AcceptanceState>
    <AcceptDocNo>样字〔2026〕1号</AcceptDocNo>
    <HandleUserName>样例乙</HandleUserName>
    <StatutoryLimit>5</StatutoryLimit>
    <StatutoryLimitUnit>G</StatutoryLimitUnit>
    <ProjectType>2</ProjectType>
  </Acceptance>
  <ReviewStep Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T10:10:00+08:00</EventTime>
    <StepCode>1</StepCode>
    <StepName>承办</StepName>
    <HandleUserName>样例甲</HandleUserName>
    <Opinion>样例审批意见</Opinion>
    <StepState>2</StepState>
    <Action>PASS</Action>
    <EventEndTime>2026-01-05T10:20:00+08:00</EventEndTime>
  </ReviewStep>
  <Conclusion Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T11:10:00+08:00</EventTime>
    <ResultCode>GRANT</ResultCode>
    <ResultText>准予许可</ResultText>
    <HandleUserName>样例乙</HandleUserName>
  </Conclusion>
  <Collection Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T11:30:00+08:00</EventTime>
    <CollectorName>样例甲</CollectorName>
    <CollectorIdType>111</CollectorIdType>
    <CollectorIdNo>369902199003070016</CollectorIdNo>
    <CollectionWay>0</CollectionWay>
  </Collection>
</Records>
<?xml version="1.0" encoding="UTF-8"?>
<Records xmlns="urn:yizhan:standard:1">
"""

DICTIONARY: Final = _FORMS.encode("utf-8")
