<?xml version="1.0" encoding="UTF-8"?>
<!-- Cooperation to records of the standard. docs/reference/cooperation.md tells every element; cooperation.xsd has been
     asked before. Order does not matter here and empty elements are left out: the node writes records in order. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns="urn:yizhan:standard:1"
    xmlns:y="urn:yizhan:dialect:1" exclude-result-prefixes="y" y:each="Cooperation"
    y:label="协同办理报文" y:english="one cumulative XML per case" y:versioning="automatic"
    y:variants="guangdong icity icity-licence shandong">
  <xsl:output method="xml" encoding="UTF-8"/>
  <xsl:param name="variant"/>
  <xsl:param name="system"/>
  <xsl:variable name="application" select="/Cooperation/Application"/>
  <xsl:variable name="permission" select="/Cooperation/Permission"/>
  <xsl:variable name="letters"
      select="' GRANT DENY RETURN VOID DELETE FORWARD SUPP_TIMEOUT WITHDRAW TERMINATE REFUSE OTHER '"/>

  <xsl:template match="/Cooperation">
    <Records>
      <xsl:apply-templates select="Application"/>
      <xsl:apply-templates select="Permission/prechecks/precheck"/>
      <xsl:apply-templates select="Permission/nodes/node"/>
      <xsl:apply-templates select="Permission/suspensions/suspension"/>
      <xsl:apply-templates select="Permission/extensions/extension"/>
      <xsl:apply-templates select="Permission/fees/fee"/>
      <xsl:apply-templates select="Permission/collections/collection"/>
      <xsl:call-template name="promised"/>
    </Records>
  </xsl:template>

  <xsl:template match="Application">
    <Application y:line="{y:line(.)}">
      <xsl:call-template name="header">
        <xsl:with-param name="sequence" select="seq"/>
        <xsl:with-param name="time" select="applytime"/>
      </xsl:call-template>
      <TaskName><xsl:value-of select="taskname"/></TaskName>
      <TaskVersion><xsl:value-of select="taskversion"/></TaskVersion>
      <ProjectType><xsl:value-of select="projecttype"/></ProjectType>
      <ApplyType><xsl:value-of select="applytype"/></ApplyType>
      <ProjectName><xsl:value-of select="projectname"/></ProjectName>
      <ApplicantType><xsl:value-of select="applicanttype"/></ApplicantType>
      <ApplicantName><xsl:value-of select="applicantname"/></ApplicantName>
      <ApplicantIdType><xsl:value-of select="idtype"/></ApplicantIdType>
      <ApplicantIdNo><xsl:value-of select="idno"/></ApplicantIdNo>
      <LegalPerson><xsl:value-of select="legalperson"/></LegalPerson>
      <ContactName><xsl:value-of select="linkman"/></ContactName>
      <ContactPhone><xsl:value-of select="linkphone"/></ContactPhone>
      <ContactEmail><xsl:value-of select="linkemail"/></ContactEmail>
      <AgentName><xsl:value-of select="agentname"/></AgentName>
      <AgentIdType><xsl:value-of select="agentidtype"/></AgentIdType>
      <AgentIdNo><xsl:value-of select="agentidno"/></AgentIdNo>
      <Address><xsl:value-of select="address"/></Address>
      <PostCode><xsl:value-of select="zipcode"/></PostCode>
      <InvestmentProjectCode><xsl:value-of select="investcode"/></InvestmentProjectCode>
      <ParentCaseNo><xsl:value-of select="parentno"/></ParentCaseNo>
      <ReceiptNo><xsl:value-of select="receiptno"/></ReceiptNo>
      <ServicePoint><xsl:value-of select="servicepoint"/></ServicePoint>
      <xsl:apply-templates select="$permission/materials/material"/>
      <Remark><xsl:value-of select="remark"/></Remark>
    </Application>
  </xsl:template>

  <xsl:template match="precheck">
    <PreAcceptance y:line="{y:line(.)}">
      <xsl:call-template name="header">
        <xsl:with-param name="sequence" select="seq"/>
        <xsl:with-param name="place" select="count(preceding-sibling::precheck) + 1"/>
        <xsl:with-param name="time" select="time"/>
      </xsl:call-template>
      <PreAcceptanceState><xsl:value-of select="state"/></PreAcceptanceState>
      <Reason><xsl:value-of select="reason"/></Reason>
      <SupplementText><xsl:value-of select="supplement"/></SupplementText>
      <HandleUserName><xsl:value-of select="handler"/></HandleUserName>
      <HandleUserNo><xsl:value-of select="handlerno"/></HandleUserNo>
      <Place><xsl:value-of select="place"/></Place>
    </PreAcceptance>
  </xsl:template>

  <xsl:template match="node[@id = '0000']">
    <Acceptance y:line="{y:line(.)}">
      <xsl:call-template name="header">
        <xsl:with-param name="sequence" select="seq"/>
        <xsl:with-param name="place" select="count(preceding-sibling::node[@id = '0000']) + 1"/>
        <xsl:with-param name="time" select="starttime"/>
      </xsl:call-template>
      <AcceptanceState><xsl:value-of select="result"/></AcceptanceState>
      <Reason><xsl:value-of select="reason"/></Reason>
      <AcceptDocNo><xsl:value-of select="docno"/></AcceptDocNo>
      <HandleUserName><xsl:value-of select="handler"/></HandleUserName>
      <StatutoryLimit><xsl:value-of select="statutorylimit"/></StatutoryLimit>
      <StatutoryLimitUnit><xsl:value-of select="statutoryunit"/></StatutoryLimitUnit>
      <PromiseLimit><xsl:value-of select="promiselimit"/></PromiseLimit>
      <PromiseLimitUnit><xsl:value-of select="promiseunit"/></PromiseLimitUnit>
      <PromiseDate><xsl:value-of select="y:date(promisedate)"/></PromiseDate>
      <FeeDue><xsl:value-of select="fee"/></FeeDue>
      <ProjectType>
        <xsl:choose>
          <xsl:when test="projecttype != ''"><xsl:value-of select="projecttype"/></xsl:when>
          <xsl:otherwise><xsl:value-of select="$application/projecttype"/></xsl:otherwise>
        </xsl:choose>
      </ProjectType>
      <QueueNo><xsl:value-of select="queueno"/></QueueNo>
      <Deemed><xsl:value-of select="y:truth(deemed)"/></Deemed>
    </Acceptance>
  </xsl:template>

  <xsl:template match="node[@id = '0001' or @id = '0002' or @id = '0003']">
    <ReviewStep y:line="{y:line(.)}">
      <xsl:call-template name="header">
        <xsl:with-param name="sequence" select="seq"/>
        <xsl:with-param name="place"
            select="count(preceding-sibling::node[@id = '0001' or @id = '0002' or @id = '0003']) + 1"/>
        <xsl:with-param name="time" select="starttime"/>
      </xsl:call-template>
      <StepCode><xsl:value-of select="number(@id)"/></StepCode>
      <StepName>
        <xsl:choose>
          <xsl:when test="nodename != ''"><xsl:value-of select="nodename"/></xsl:when>
          <xsl:when test="@id = '0001'">承办</xsl:when>
          <xsl:when test="@id = '0002'">审核</xsl:when>
          <xsl:otherwise>批准</xsl:otherwise>
        </xsl:choose>
      </StepName>
      <HandleUserName><xsl:value-of select="handler"/></HandleUserName>
      <Duty><xsl:value-of select="duty"/></Duty>
      <Opinion><xsl:value-of select="opinion"/></Opinion>
      <StepState>
        <xsl:choose>
          <xsl:when test="status != ''"><xsl:value-of select="status"/></xsl:when>
          <xsl:when test="endtime != ''">2</xsl:when>
        </xsl:choose>
      </StepState>
      <Action>
        <xsl:choose>
          <xsl:when test="result = '1'">PASS</xsl:when>
          <xsl:when test="result = '2'">RETURN</xsl:when>
          <xsl:when test="result = '9'">OTHER</xsl:when>
          <xsl:otherwise><xsl:value-of select="result"/></xsl:otherwise>
        </xsl:choose>
      </Action>
      <EventEndTime><xsl:value-of select="y:time(endtime)"/></EventEndTime>
      <Branch><xsl:value-of select="branch"/></Branch>
      <RemarkSignature><xsl:value-of select="signature"/></RemarkSignature>
    </ReviewStep>
  </xsl:template>

  <xsl:template match="node[@id = '0004']">
    <xsl:variable name="code">
      <xsl:call-template name="result"/>
    </xsl:variable>
    <xsl:choose>
      <xsl:when test="$code = '' and result != ''">
        <y:Refused record-type="Conclusion" element="result" line="{y:line(result)}">this code means different things in
different provinces: name the variant of the dialect (cooperation@guangdong, @icity, @icity-licence or @shandong) that
has it, or send the letters of the standard</y:Refused>
      </xsl:when>
      <xsl:otherwise>
        <Conclusion y:line="{y:line(.)}">
          <xsl:call-template name="header">
            <xsl:with-param name="sequence" select="seq"/>
            <xsl:with-param name="place" select="count(preceding-sibling::node[@id = '0004']) + 1"/>
            <xsl:with-param name="time" select="starttime"/>
          </xsl:call-template>
          <ResultCode><xsl:value-of select="$code"/></ResultCode>
          <ResultText><xsl:value-of select="opinion"/></ResultText>
          <Reason><xsl:value-of select="reason"/></Reason>
          <HandleUserName><xsl:value-of select="handler"/></HandleUserName>
          <DocumentNo><xsl:value-of select="docno"/></DocumentNo>
          <CertificateName><xsl:value-of select="certname"/></CertificateName>
          <CertificateNo><xsl:value-of select="certno"/></CertificateNo>
          <CertificateValidity><xsl:value-of select="certvalidity"/></CertificateValidity>
          <IssueOrgName><xsl:value-of select="issueorg"/></IssueOrgName>
          <FeeAmount><xsl:value-of select="fee"/></FeeAmount>
        </Conclusion>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template match="suspension[@kind = '7']">
    <xsl:variable name="place" select="count(preceding-sibling::suspension[@kind = '7']) + 1"/>
    <xsl:if test="starttime != ''">
      <SupplementNotice y:line="{y:line(.)}">
        <xsl:call-template name="header">
          <xsl:with-param name="sequence" select="seq"/>
          <xsl:with-param name="place" select="$place"/>
          <xsl:with-param name="time" select="starttime"/>
        </xsl:call-template>
        <HandleUserName><xsl:value-of select="handler"/></HandleUserName>
        <Reason><xsl:value-of select="reason"/></Reason>
        <xsl:apply-templates select="materials/material"/>
        <TimeLimit><xsl:value-of select="limit"/></TimeLimit>
      </SupplementNotice>
    </xsl:if>
    <xsl:if test="endtime != ''">
      <SupplementReceipt y:line="{y:line(.)}">
        <xsl:call-template name="header">
          <xsl:with-param name="sequence" select="endseq"/>
          <xsl:with-param name="version" select="endversion"/>
          <xsl:with-param name="place" select="$place"/>
          <xsl:with-param name="time" select="endtime"/>
        </xsl:call-template>
        <HandleUserName><xsl:value-of select="endhandler"/></HandleUserName>
        <xsl:apply-templates select="received/material"/>
        <Place><xsl:value-of select="place"/></Place>
      </SupplementReceipt>
    </xsl:if>
    <xsl:call-template name="timed"/>
  </xsl:template>

  <xsl:template match="suspension[@kind = '8']">
    <xsl:variable name="place" select="count(preceding-sibling::suspension[@kind = '8']) + 1"/>
    <xsl:if test="starttime != ''">
      <SpecialProcedureStart y:line="{y:line(.)}">
        <xsl:call-template name="header">
          <xsl:with-param name="sequence" select="seq"/>
          <xsl:with-param name="place" select="$place"/>
          <xsl:with-param name="time" select="starttime"/>
        </xsl:call-template>
        <Kind>
          <xsl:choose>
            <xsl:when test="specialkind = 'A'">1</xsl:when>
            <xsl:when test="specialkind = 'B'">2</xsl:when>
            <xsl:otherwise><xsl:value-of select="specialkind"/></xsl:otherwise>
          </xsl:choose>
        </Kind>
        <KindDetail><xsl:value-of select="detail"/></KindDetail>
        <KindName><xsl:value-of select="kindname"/></KindName>
        <Approver><xsl:value-of select="approver"/></Approver>
        <Reason><xsl:value-of select="reason"/></Reason>
        <Text><xsl:value-of select="text"/></Text>
        <Limit><xsl:value-of select="limit"/></Limit>
        <LimitUnit><xsl:value-of select="unit"/></LimitUnit>
        <NotifiedTime><xsl:value-of select="y:time(notifytime)"/></NotifiedTime>
      </SpecialProcedureStart>
    </xsl:if>
    <xsl:if test="endtime != ''">
      <SpecialProcedureEnd y:line="{y:line(.)}">
        <xsl:call-template name="header">
          <xsl:with-param name="sequence" select="endseq"/>
          <xsl:with-param name="version" select="endversion"/>
          <xsl:with-param name="place" select="$place"/>
          <xsl:with-param name="time" select="endtime"/>
        </xsl:call-template>
        <Outcome><xsl:value-of select="outcome"/></Outcome>
        <OutcomeDate><xsl:value-of select="y:date(outcomedate)"/></OutcomeDate>
        <FeeAmount><xsl:value-of select="fee"/></FeeAmount>
      </SpecialProcedureEnd>
    </xsl:if>
    <xsl:call-template name="timed"/>
  </xsl:template>

  <xsl:template match="extension">
    <Extension y:line="{y:line(.)}">
      <xsl:call-template name="header">
        <xsl:with-param name="sequence" select="seq"/>
        <xsl:with-param name="place" select="count(preceding-sibling::extension) + 1"/>
        <xsl:with-param name="time" select="time"/>
      </xsl:call-template>
      <ExtensionDays><xsl:value-of select="days"/></ExtensionDays>
      <Approver><xsl:value-of select="approver"/></Approver>
      <Reason><xsl:value-of select="reason"/></Reason>
      <NotifiedTime><xsl:value-of select="y:time(notifytime)"/></NotifiedTime>
    </Extension>
  </xsl:template>

  <xsl:template match="fee">
    <Fee y:line="{y:line(.)}">
      <xsl:call-template name="header">
        <xsl:with-param name="sequence" select="seq"/>
        <xsl:with-param name="place" select="count(preceding-sibling::fee) + 1"/>
        <xsl:with-param name="time" select="time"/>
      </xsl:call-template>
      <PaymentNo><xsl:value-of select="payno"/></PaymentNo>
      <FeeOrgName><xsl:value-of select="feeorg"/></FeeOrgName>
      <FeeItem><xsl:value-of select="feeitem"/></FeeItem>
      <AmountDue><xsl:value-of select="due"/></AmountDue>
      <Reduction><xsl:value-of select="reduction"/></Reduction>
      <AmountPaid><xsl:value-of select="paid"/></AmountPaid>
      <ReductionReason><xsl:value-of select="reductionreason"/></ReductionReason>
      <FeeState><xsl:value-of select="state"/></FeeState>
      <Payer><xsl:value-of select="payer"/></Payer>
    </Fee>
  </xsl:template>

  <xsl:template match="collection">
    <Collection y:line="{y:line(.)}">
      <xsl:call-template name="header">
        <xsl:with-param name="sequence" select="seq"/>
        <xsl:with-param name="place" select="count(preceding-sibling::collection) + 1"/>
        <xsl:with-param name="time" select="time"/>
      </xsl:call-template>
      <CollectorName><xsl:value-of select="collector"/></CollectorName>
      <CollectorIdType><xsl:value-of select="idtype"/></CollectorIdType>
      <CollectorIdNo><xsl:value-of select="idno"/></CollectorIdNo>
      <CollectionWay><xsl:value-of select="way"/></CollectionWay>
      <WaybillNo><xsl:value-of select="waybillno"/></WaybillNo>
      <ReceiverName><xsl:value-of select="receiver"/></ReceiverName>
    </Collection>
  </xsl:template>

  <xsl:template match="material">
    <MaterialItem>
      <MaterialName><xsl:value-of select="name"/></MaterialName>
      <MediaType><xsl:value-of select="wjlx"/></MediaType>
      <CopyKind><xsl:value-of select="cllx"/></CopyKind>
      <Count><xsl:value-of select="clsl"/></Count>
    </MaterialItem>
  </xsl:template>

  <xsl:template name="header">
    <xsl:param name="sequence"/>
    <xsl:param name="place" select="1"/>
    <xsl:param name="version" select="dataversion"/>
    <xsl:param name="time"/>
    <xsl:choose>
      <xsl:when test="y:is-case-number($application/projectno)">
        <CaseNo><xsl:value-of select="$application/projectno"/></CaseNo>
      </xsl:when>
      <xsl:otherwise>
        <OrigSystem>
          <xsl:choose>
            <xsl:when test="$application/system != ''"><xsl:value-of select="$application/system"/></xsl:when>
            <xsl:otherwise><xsl:value-of select="$system"/></xsl:otherwise>
          </xsl:choose>
        </OrigSystem>
        <OrigCaseNo><xsl:value-of select="$application/projectno"/></OrigCaseNo>
      </xsl:otherwise>
    </xsl:choose>
    <Sequence>
      <xsl:choose>
        <xsl:when test="$sequence != ''"><xsl:value-of select="$sequence"/></xsl:when>
        <xsl:otherwise><xsl:value-of select="$place"/></xsl:otherwise>
      </xsl:choose>
    </Sequence>
    <DataVersion>
      <xsl:choose>
        <xsl:when test="$version != ''"><xsl:value-of select="$version"/></xsl:when>
        <xsl:otherwise>1</xsl:otherwise>
      </xsl:choose>
    </DataVersion>
    <DivisionCode><xsl:value-of select="$application/regionid"/></DivisionCode>
    <OrgCode><xsl:value-of select="$application/orgcode"/></OrgCode>
    <OrgName><xsl:value-of select="$application/orgname"/></OrgName>
    <TaskCode><xsl:value-of select="$application/taskcode"/></TaskCode>
    <EventTime><xsl:value-of select="y:time($time)"/></EventTime>
  </xsl:template>

  <!-- The result of a node 0004 as a letter code, "" where its digit is not the same in every table seen. -->
  <xsl:template name="result">
    <xsl:variable name="digit" select="result"/>
    <xsl:choose>
      <xsl:when test="contains($letters, concat(' ', $digit, ' '))"><xsl:value-of select="$digit"/></xsl:when>
      <xsl:when test="$digit = '0'">GRANT</xsl:when>
      <xsl:when test="$digit = '2'">VOID</xsl:when>
      <xsl:when test="$digit = '3'">DELETE</xsl:when>
      <xsl:when test="$digit = '4' and $variant != 'icity-licence'">FORWARD</xsl:when>
      <xsl:when test="$digit = '1' and $variant = 'shandong'">DENY</xsl:when>
      <xsl:when test="$digit = '1' and $variant != ''">RETURN</xsl:when>
      <xsl:when test="$digit = '5' and $variant != ''">SUPP_TIMEOUT</xsl:when>
      <xsl:when test="$digit = '6' and $variant = 'shandong'">REFUSE</xsl:when>
      <xsl:when test="$digit = '6' and $variant = 'icity-licence'">GRANT</xsl:when>
      <xsl:when test="$digit = '6' and $variant != ''">OTHER</xsl:when>
      <xsl:when test="$digit = '7' and $variant = 'icity-licence'">DENY</xsl:when>
      <xsl:when test="string-length($digit) = 1 and contains('1567', $digit) and $variant = ''"/>
      <xsl:otherwise><xsl:value-of select="$digit"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="timed">
    <xsl:if test="not(starttime != '') and not(endtime != '')">
      <y:Refused element="suspension" line="{y:line(.)}">a suspension has neither starttime nor endtime</y:Refused>
    </xsl:if>
  </xsl:template>

  <!-- What isfinish says has to stand in the document: from a state alone no record can be made. -->
  <xsl:template name="promised">
    <xsl:variable name="state" select="$application/isfinish"/>
    <xsl:variable name="missing">
      <xsl:choose>
        <xsl:when test="($state = '1' or $state = '4') and not($permission/prechecks/precheck)">a precheck</xsl:when>
        <xsl:when test="($state = '3' or $state = '6' or $state = '-1') and not($permission/nodes/node[@id = '0004'])"
          >a node 0004</xsl:when>
        <xsl:when test="$state = '5' and not($permission/nodes/node[@id = '0000'])">a node 0000</xsl:when>
        <xsl:when test="($state = '7' or $state = '8') and not($permission/suspensions/suspension[@kind = $state])"
          >a suspension of that kind</xsl:when>
      </xsl:choose>
    </xsl:variable>
    <xsl:if test="$missing != ''">
      <y:Refused element="isfinish" line="{y:line($state)}">isfinish is <xsl:value-of select="$state"/>, and <xsl:value-of
        select="$missing"/> is missing</y:Refused>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
