<?xml version="1.0" encoding="UTF-8"?>
<!-- The records of one case to a Cooperation: the way back of cooperation.xsl. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:s="urn:yizhan:standard:1"
    xmlns:y="urn:yizhan:dialect:1" exclude-result-prefixes="s y" y:wrap="Cooperations"
    y:cannot-carry="cases without an Application (申办); all but the first Application of a case;
      records that are not of a type named above, Material (材料) among them;
      records of another division, department or item than their case's Application;
      Actor and Correction; blanks around texts"
    y:cannot-carry-chinese="没有申办（Application）记录的办件；一个办件第一条以外的申办（Application）记录；
      上文未列出类型的记录，包括材料（Material）；行政区划、部门或事项与本办件申办记录不同的记录；
      经办人（Actor）与更正（Correction）；文本首尾的空格">
  <xsl:output method="xml" encoding="UTF-8"/>
  <xsl:variable name="application" select="/s:Records/s:Application"/>
  <xsl:variable name="own" select="/s:Records/*[s:DivisionCode = $application/s:DivisionCode and s:OrgCode =
      $application/s:OrgCode and s:OrgName = $application/s:OrgName and s:TaskCode = $application/s:TaskCode]"/>
  <xsl:variable name="starts" select="$own[self::s:SupplementNotice or self::s:SpecialProcedureStart]"/>
  <xsl:variable name="ends" select="$own[self::s:SupplementReceipt or self::s:SpecialProcedureEnd]"/>

  <xsl:template match="/s:Records">
    <xsl:if test="$application">
      <Cooperation>
        <xsl:apply-templates select="$application[1]"/>
        <Permission>
          <prechecks><xsl:apply-templates select="$own[self::s:PreAcceptance]"/></prechecks>
          <nodes><xsl:apply-templates select="$own[self::s:Acceptance or self::s:ReviewStep or self::s:Conclusion]"/></nodes>
          <suspensions>
            <xsl:apply-templates select="$starts"/>
            <xsl:for-each select="$ends">
              <xsl:variable name="sequence" select="s:Sequence"/>
              <xsl:variable name="name" select="substring-before(concat(local-name(), '.'), '.')"/>
              <xsl:if test="not($starts[s:Sequence = $sequence and ((self::s:SupplementNotice and $name =
                  'SupplementReceipt') or (self::s:SpecialProcedureStart and $name = 'SpecialProcedureEnd'))])">
                <suspension kind="{8 - ($name = 'SupplementReceipt')}">
                  <xsl:apply-templates select="."/>
                </suspension>
              </xsl:if>
            </xsl:for-each>
          </suspensions>
          <extensions><xsl:apply-templates select="$own[self::s:Extension]"/></extensions>
          <fees><xsl:apply-templates select="$own[self::s:Fee]"/></fees>
          <collections><xsl:apply-templates select="$own[self::s:Collection]"/></collections>
          <materials><xsl:apply-templates select="$application[1]/s:MaterialItem"/></materials>
        </Permission>
      </Cooperation>
    </xsl:if>
  </xsl:template>

  <xsl:template match="s:Application">
    <Application>
      <projectno>
        <xsl:value-of select="s:CaseNo"/>
        <xsl:if test="not(s:CaseNo)"><xsl:value-of select="s:OrigCaseNo"/></xsl:if>
      </projectno>
      <system><xsl:value-of select="s:OrigSystem"/></system>
      <parentno><xsl:value-of select="s:ParentCaseNo"/></parentno>
      <regionid><xsl:value-of select="s:DivisionCode"/></regionid>
      <orgcode><xsl:value-of select="s:OrgCode"/></orgcode>
      <orgname><xsl:value-of select="s:OrgName"/></orgname>
      <taskcode><xsl:value-of select="s:TaskCode"/></taskcode>
      <taskname><xsl:value-of select="s:TaskName"/></taskname>
      <taskversion><xsl:value-of select="s:TaskVersion"/></taskversion>
      <projecttype><xsl:value-of select="s:ProjectType"/></projecttype>
      <applytype><xsl:value-of select="s:ApplyType"/></applytype>
      <projectname><xsl:value-of select="s:ProjectName"/></projectname>
      <applicanttype><xsl:value-of select="s:ApplicantType"/></applicanttype>
      <applicantname><xsl:value-of select="s:ApplicantName"/></applicantname>
      <idtype><xsl:value-of select="s:ApplicantIdType"/></idtype>
      <idno><xsl:value-of select="s:ApplicantIdNo"/></idno>
      <legalperson><xsl:value-of select="s:LegalPerson"/></legalperson>
      <linkman><xsl:value-of select="s:ContactName"/></linkman>
      <linkphone><xsl:value-of select="s:ContactPhone"/></linkphone>
      <linkemail><xsl:value-of select="s:ContactEmail"/></linkemail>
      <agentname><xsl:value-of select="s:AgentName"/></agentname>
      <agentidtype><xsl:value-of select="s:AgentIdType"/></agentidtype>
      <agentidno><xsl:value-of select="s:AgentIdNo"/></agentidno>
      <address><xsl:value-of select="s:Address"/></address>
      <zipcode><xsl:value-of select="s:PostCode"/></zipcode>
      <investcode><xsl:value-of select="s:InvestmentProjectCode"/></investcode>
      <receiptno><xsl:value-of select="s:ReceiptNo"/></receiptno>
      <servicepoint><xsl:value-of select="s:ServicePoint"/></servicepoint>
      <applytime><xsl:value-of select="s:EventTime"/></applytime>
      <xsl:call-template name="numbers"/>
      <isfinish><xsl:call-template name="state"/></isfinish>
      <busistatus>
        <xsl:choose>
          <xsl:when test="$own[self::s:Conclusion]">5</xsl:when>
          <xsl:when test="$own[self::s:ReviewStep and s:StepCode = '3']">4</xsl:when>
          <xsl:when test="$own[self::s:ReviewStep and s:StepCode = '2']">3</xsl:when>
          <xsl:when test="$own[self::s:ReviewStep]">2</xsl:when>
          <xsl:when test="$own[self::s:Acceptance]">1</xsl:when>
          <xsl:otherwise>0</xsl:otherwise>
        </xsl:choose>
      </busistatus>
      <remark><xsl:value-of select="s:Remark"/></remark>
    </Application>
  </xsl:template>

  <xsl:template match="s:PreAcceptance">
    <precheck>
      <xsl:call-template name="numbers"/>
      <state><xsl:value-of select="s:PreAcceptanceState"/></state>
      <handler><xsl:value-of select="s:HandleUserName"/></handler>
      <handlerno><xsl:value-of select="s:HandleUserNo"/></handlerno>
      <time><xsl:value-of select="s:EventTime"/></time>
      <reason><xsl:value-of select="s:Reason"/></reason>
      <supplement><xsl:value-of select="s:SupplementText"/></supplement>
      <place><xsl:value-of select="s:Place"/></place>
    </precheck>
  </xsl:template>

  <xsl:template match="s:Acceptance">
    <node id="0000">
      <xsl:call-template name="handled"/>
      <result><xsl:value-of select="s:AcceptanceState"/></result>
      <docno><xsl:value-of select="s:AcceptDocNo"/></docno>
      <statutorylimit><xsl:value-of select="s:StatutoryLimit"/></statutorylimit>
      <statutoryunit><xsl:value-of select="s:StatutoryLimitUnit"/></statutoryunit>
      <promiselimit><xsl:value-of select="s:PromiseLimit"/></promiselimit>
      <promiseunit><xsl:value-of select="s:PromiseLimitUnit"/></promiseunit>
      <promisedate><xsl:value-of select="s:PromiseDate"/></promisedate>
      <projecttype><xsl:value-of select="s:ProjectType"/></projecttype>
      <fee><xsl:value-of select="s:FeeDue"/></fee>
      <queueno><xsl:value-of select="s:QueueNo"/></queueno>
      <deemed><xsl:value-of select="s:Deemed"/></deemed>
    </node>
  </xsl:template>

  <xsl:template match="s:ReviewStep">
    <node id="{format-number(s:StepCode, '0000')}">
      <xsl:call-template name="handled"/>
      <nodename><xsl:value-of select="s:StepName"/></nodename>
      <duty><xsl:value-of select="s:Duty"/></duty>
      <endtime><xsl:value-of select="s:EventEndTime"/></endtime>
      <status><xsl:value-of select="s:StepState"/></status>
      <result>
        <xsl:choose>
          <xsl:when test="s:Action = 'PASS'">1</xsl:when>
          <xsl:when test="s:Action = 'RETURN'">2</xsl:when>
          <xsl:when test="s:Action">9</xsl:when>
        </xsl:choose>
      </result>
      <opinion><xsl:value-of select="s:Opinion"/></opinion>
      <branch><xsl:value-of select="s:Branch"/></branch>
      <signature><xsl:value-of select="s:RemarkSignature"/></signature>
    </node>
  </xsl:template>

  <xsl:template match="s:Conclusion">
    <node id="0004">
      <xsl:call-template name="handled"/>
      <result><xsl:value-of select="s:ResultCode"/></result>
      <opinion><xsl:value-of select="s:ResultText"/></opinion>
      <docno><xsl:value-of select="s:DocumentNo"/></docno>
      <certname><xsl:value-of select="s:CertificateName"/></certname>
      <certno><xsl:value-of select="s:CertificateNo"/></certno>
      <certvalidity><xsl:value-of select="s:CertificateValidity"/></certvalidity>
      <issueorg><xsl:value-of select="s:IssueOrgName"/></issueorg>
      <fee><xsl:value-of select="s:FeeAmount"/></fee>
    </node>
  </xsl:template>

  <xsl:template match="s:SupplementNotice">
    <xsl:variable name="sequence" select="s:Sequence"/>
    <suspension kind="7">
      <xsl:call-template name="numbers"/>
      <handler><xsl:value-of select="s:HandleUserName"/></handler>
      <starttime><xsl:value-of select="s:EventTime"/></starttime>
      <reason><xsl:value-of select="s:Reason"/></reason>
      <limit><xsl:value-of select="s:TimeLimit"/></limit>
      <materials><xsl:apply-templates select="s:MaterialItem"/></materials>
      <xsl:apply-templates select="$ends[self::s:SupplementReceipt and s:Sequence = $sequence][1]"/>
    </suspension>
  </xsl:template>

  <xsl:template match="s:SupplementReceipt">
    <xsl:call-template name="ended"/>
    <endhandler><xsl:value-of select="s:HandleUserName"/></endhandler>
    <place><xsl:value-of select="s:Place"/></place>
    <received><xsl:apply-templates select="s:MaterialItem"/></received>
  </xsl:template>

  <xsl:template match="s:SpecialProcedureStart">
    <xsl:variable name="sequence" select="s:Sequence"/>
    <suspension kind="8">
      <xsl:call-template name="numbers"/>
      <approver><xsl:value-of select="s:Approver"/></approver>
      <starttime><xsl:value-of select="s:EventTime"/></starttime>
      <specialkind><xsl:value-of select="translate(s:Kind, '12', 'AB')"/></specialkind>
      <detail><xsl:value-of select="s:KindDetail"/></detail>
      <kindname><xsl:value-of select="s:KindName"/></kindname>
      <reason><xsl:value-of select="s:Reason"/></reason>
      <text><xsl:value-of select="s:Text"/></text>
      <limit><xsl:value-of select="s:Limit"/></limit>
      <unit><xsl:value-of select="s:LimitUnit"/></unit>
      <notifytime><xsl:value-of select="s:NotifiedTime"/></notifytime>
      <xsl:apply-templates select="$ends[self::s:SpecialProcedureEnd and s:Sequence = $sequence][1]"/>
    </suspension>
  </xsl:template>

  <xsl:template match="s:SpecialProcedureEnd">
    <xsl:call-template name="ended"/>
    <outcome><xsl:value-of select="s:Outcome"/></outcome>
    <outcomedate><xsl:value-of select="s:OutcomeDate"/></outcomedate>
    <fee><xsl:value-of select="s:FeeAmount"/></fee>
  </xsl:template>

  <xsl:template match="s:Extension">
    <extension>
      <xsl:call-template name="numbers"/>
      <time><xsl:value-of select="s:EventTime"/></time>
      <days><xsl:value-of select="s:ExtensionDays"/></days>
      <approver><xsl:value-of select="s:Approver"/></approver>
      <reason><xsl:value-of select="s:Reason"/></reason>
      <notifytime><xsl:value-of select="s:NotifiedTime"/></notifytime>
    </extension>
  </xsl:template>

  <xsl:template match="s:Fee">
    <fee>
      <xsl:call-template name="numbers"/>
      <time><xsl:value-of select="s:EventTime"/></time>
      <payno><xsl:value-of select="s:PaymentNo"/></payno>
      <feeorg><xsl:value-of select="s:FeeOrgName"/></feeorg>
      <feeitem><xsl:value-of select="s:FeeItem"/></feeitem>
      <due><xsl:value-of select="s:AmountDue"/></due>
      <reduction><xsl:value-of select="s:Reduction"/></reduction>
      <paid><xsl:value-of select="s:AmountPaid"/></paid>
      <reductionreason><xsl:value-of select="s:ReductionReason"/></reductionreason>
      <state><xsl:value-of select="s:FeeState"/></state>
      <payer><xsl:value-of select="s:Payer"/></payer>
    </fee>
  </xsl:template>

  <xsl:template match="s:Collection">
    <collection>
      <xsl:call-template name="numbers"/>
      <time><xsl:value-of select="s:EventTime"/></time>
      <collector><xsl:value-of select="s:CollectorName"/></collector>
      <idtype><xsl:value-of select="s:CollectorIdType"/></idtype>
      <idno><xsl:value-of select="s:CollectorIdNo"/></idno>
      <way><xsl:value-of select="s:CollectionWay"/></way>
      <waybillno><xsl:value-of select="s:WaybillNo"/></waybillno>
      <receiver><xsl:value-of select="s:ReceiverName"/></receiver>
    </collection>
  </xsl:template>

  <xsl:template match="s:MaterialItem">
    <material>
      <name><xsl:value-of select="s:MaterialName"/></name>
      <wjlx><xsl:value-of select="s:MediaType"/></wjlx>
      <cllx><xsl:value-of select="s:CopyKind"/></cllx>
      <clsl><xsl:value-of select="s:Count"/></clsl>
    </material>
  </xsl:template>

  <xsl:template name="numbers">
    <seq><xsl:value-of select="s:Sequence"/></seq>
    <dataversion><xsl:value-of select="s:DataVersion"/></dataversion>
  </xsl:template>

  <xsl:template name="handled">
    <xsl:call-template name="numbers"/>
    <handler><xsl:value-of select="s:HandleUserName"/></handler>
    <starttime><xsl:value-of select="s:EventTime"/></starttime>
    <reason><xsl:value-of select="s:Reason"/></reason>
  </xsl:template>

  <xsl:template name="ended">
    <endseq><xsl:value-of select="s:Sequence"/></endseq>
    <endversion><xsl:value-of select="s:DataVersion"/></endversion>
    <endtime><xsl:value-of select="s:EventTime"/></endtime>
  </xsl:template>

  <!-- The state of the case by isfinish. -->
  <xsl:template name="state">
    <xsl:choose>
      <xsl:when test="$own[self::s:Conclusion and (s:ResultCode = 'VOID' or s:ResultCode = 'DELETE')]">-1</xsl:when>
      <xsl:when test="$own[self::s:Conclusion and s:ResultCode = 'DENY']">6</xsl:when>
      <xsl:when test="$own[self::s:Conclusion]">3</xsl:when>
      <xsl:when test="$own[self::s:Acceptance and s:AcceptanceState = '2']">5</xsl:when>
      <xsl:when test="count($own[self::s:SpecialProcedureStart]) &gt; count($own[self::s:SpecialProcedureEnd])">8</xsl:when>
      <xsl:when test="count($own[self::s:SupplementNotice]) &gt; count($own[self::s:SupplementReceipt])">7</xsl:when>
      <xsl:when test="$own[self::s:Acceptance or self::s:ReviewStep]">2</xsl:when>
      <xsl:when test="$own[self::s:PreAcceptance and s:PreAcceptanceState = '2']">1</xsl:when>
      <xsl:when test="$own[self::s:PreAcceptance]">4</xsl:when>
      <xsl:otherwise>0</xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
