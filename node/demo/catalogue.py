"""Plausible items and departments of a county: what the generated cases are about.

Names, laws and limits follow real items of Chinese counties as anybody reads them in a service hall; codes are ours.
The numbers of days are plausible, not any one county's own. Called by the generator and by the demonstration, which
has the province publish these items before the first case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.demo.codes import credit_code

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTANT, PROMISED = "1", "2"
"""Kinds of case (GB/T 39046 A.6): 即办件, 承诺件."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPlan:
    """One kind of service, the same in every county.

    ``catalogue_code`` has 10 characters; limits are working days (0: at once); ``fee_yuan`` is None where nothing is
    charged; ``applicant`` is ``1`` for citizens, ``2`` for enterprises.
    """

    catalogue_code: str
    name: str
    department: str
    project_type: str
    statutory_days: int
    promise_days: int
    law: str
    applicant: str
    result_name: str
    materials: tuple[str, ...]
    fee_yuan: int | None = None
    inspected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """A department of one division, with a valid unified social credit code (GB 32100)."""

    division: str
    credit_code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A service as one division's department offers it; ``task_code`` is its implementing code."""

    plan: ItemPlan
    department: Department
    task_code: str


DEPARTMENT_NAMES = (
    "市场监督管理局",
    "卫生健康委员会",
    "住房和城乡建设局",
    "城市管理局",
    "人力资源和社会保障局",
    "文化广电旅游局",
    "农业农村局",
    "民政局",
    "行政审批局",
)

ITEM_PLANS: tuple[ItemPlan, ...] = (
    ItemPlan(
        catalogue_code="XK00131001",
        name="食品经营许可（新办）",
        department="市场监督管理局",
        project_type=PROMISED,
        statutory_days=20,
        promise_days=8,
        law="《中华人民共和国食品安全法》第三十五条",
        applicant="2",
        result_name="食品经营许可证",
        materials=("食品经营许可申请书", "营业执照", "经营场所平面图", "食品安全规章制度"),
        inspected=True,
    ),
    ItemPlan(
        catalogue_code="QR00131002",
        name="个体工商户登记",
        department="市场监督管理局",
        project_type=INSTANT,
        statutory_days=5,
        promise_days=0,
        law="《促进个体工商户发展条例》",
        applicant="1",
        result_name="营业执照",
        materials=("个体工商户登记申请书", "经营者身份证明", "经营场所证明"),
    ),
    ItemPlan(
        catalogue_code="XK00123001",
        name="公共场所卫生许可",
        department="卫生健康委员会",
        project_type=PROMISED,
        statutory_days=20,
        promise_days=5,
        law="《公共场所卫生管理条例》第四条",
        applicant="2",
        result_name="卫生许可证",
        materials=("公共场所卫生许可申请表", "检测报告", "场所地址方位示意图"),
        inspected=True,
    ),
    ItemPlan(
        catalogue_code="XK00123002",
        name="医疗机构执业登记",
        department="卫生健康委员会",
        project_type=PROMISED,
        statutory_days=45,
        promise_days=15,
        law="《医疗机构管理条例》第十五条",
        applicant="2",
        result_name="医疗机构执业许可证",
        materials=("医疗机构申请执业登记注册书", "设置医疗机构批准书", "规章制度"),
        inspected=True,
    ),
    ItemPlan(
        catalogue_code="XK00117001",
        name="建筑工程施工许可证核发",
        department="住房和城乡建设局",
        project_type=PROMISED,
        statutory_days=7,
        promise_days=3,
        law="《中华人民共和国建筑法》第七条",
        applicant="2",
        result_name="建筑工程施工许可证",
        materials=("施工许可申请表", "建设工程规划许可证", "施工合同", "施工图审查合格书"),
    ),
    ItemPlan(
        catalogue_code="XK00117002",
        name="商品房预售许可",
        department="住房和城乡建设局",
        project_type=PROMISED,
        statutory_days=10,
        promise_days=5,
        law="《中华人民共和国城市房地产管理法》第四十五条",
        applicant="2",
        result_name="商品房预售许可证",
        materials=("商品房预售许可申请表", "土地使用权证书", "工程施工进度说明"),
    ),
    ItemPlan(
        catalogue_code="XK00132001",
        name="占用、挖掘城市道路审批",
        department="城市管理局",
        project_type=PROMISED,
        statutory_days=20,
        promise_days=7,
        law="《城市道路管理条例》第三十一条",
        applicant="2",
        result_name="挖掘城市道路许可证",
        materials=("占用挖掘城市道路申请表", "施工方案", "交通组织方案"),
        fee_yuan=1860,
    ),
    ItemPlan(
        catalogue_code="XK00114001",
        name="劳务派遣经营许可",
        department="人力资源和社会保障局",
        project_type=PROMISED,
        statutory_days=20,
        promise_days=10,
        law="《中华人民共和国劳动合同法》第五十七条",
        applicant="2",
        result_name="劳务派遣经营许可证",
        materials=("劳务派遣经营许可申请书", "验资报告", "劳务派遣管理制度"),
    ),
    ItemPlan(
        catalogue_code="XK00122001",
        name="娱乐场所经营许可",
        department="文化广电旅游局",
        project_type=PROMISED,
        statutory_days=20,
        promise_days=10,
        law="《娱乐场所管理条例》第九条",
        applicant="2",
        result_name="娱乐经营许可证",
        materials=("娱乐场所申请登记表", "消防合格证明", "场所产权或租赁证明"),
    ),
    ItemPlan(
        catalogue_code="XK00120001",
        name="动物防疫条件合格证核发",
        department="农业农村局",
        project_type=PROMISED,
        statutory_days=15,
        promise_days=8,
        law="《中华人民共和国动物防疫法》第二十五条",
        applicant="2",
        result_name="动物防疫条件合格证",
        materials=("动物防疫条件审查申请表", "场所地理位置图", "设施设备清单"),
        inspected=True,
    ),
    ItemPlan(
        catalogue_code="QR00111001",
        name="社会团体法人登记证书补领",
        department="民政局",
        project_type=INSTANT,
        statutory_days=10,
        promise_days=0,
        law="《社会团体登记管理条例》",
        applicant="1",
        result_name="社会团体法人登记证书",
        materials=("补领申请书", "遗失声明"),
    ),
    ItemPlan(
        catalogue_code="XK00150001",
        name="城市建筑垃圾处置核准",
        department="行政审批局",
        project_type=PROMISED,
        statutory_days=20,
        promise_days=3,
        law="《城市建筑垃圾管理规定》第七条",
        applicant="2",
        result_name="城市建筑垃圾处置核准文件",
        materials=("处置核准申请表", "运输车辆清单", "消纳场地证明"),
        fee_yuan=420,
    ),
)


def department_of(division: str, name: str, *, short_name: str) -> Department:
    """Return a division's department; its credit code follows from the division and the place in our list."""
    index = DEPARTMENT_NAMES.index(name)
    return Department(division=division, credit_code=credit_code(division, index), name=f"{short_name}{name}")


def items_of(division: str, short_name: str, plans: Sequence[ItemPlan] = ITEM_PLANS) -> tuple[Item, ...]:
    """Return the services of one division.

    Args:
        division: six-digit code (GB/T 2260).
        short_name: the division's Chinese name, which its departments' names begin with.
        plans: which services it offers; all of them by default.
    """
    items = []
    for plan in plans:
        department = department_of(division, plan.department, short_name=short_name)
        items.append(Item(plan=plan, department=department, task_code=plan.catalogue_code + department.credit_code))
    return tuple(items)
