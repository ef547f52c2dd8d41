"""Settings of the port: everything that pyserial knows, in both languages. ``ports.open_port`` reads them."""

from __future__ import annotations

from typing import Final

from adapters.contract import Form, Setting
from adapters.serial_bridge.ports import PARITIES, STOP_BITS

PORT_SETTINGS: Final = (
    Setting(
        name="port",
        zh="串口：最好用不变的名称 /dev/serial/by-id/…，或 usb:VID:PID、usb:VID:PID:序列号，或 /dev/ttyS0 这样的路径",
        en="The port: best a name that does not change, /dev/serial/by-id/…, or usb:VID:PID or usb:VID:PID:SERIAL, "
        "or a path such as /dev/ttyS0",
        length_max=500,
    ),
    Setting(
        name="baudrate",
        form=Form.NUMBER,
        default=115_200,
        lowest=50,
        highest=4_000_000,
        zh="速率（比特每秒），两端必须相同",
        en="Speed in bits per second, the same at both ends",
    ),
    Setting(
        name="bytesize",
        form=Form.CHOICE,
        default="8",
        choices=("8", "7", "6", "5"),
        zh="数据位；record_line 和 zmodem 需要 8 位",
        en="Data bits; record_line and zmodem need 8",
    ),
    Setting(
        name="parity",
        form=Form.CHOICE,
        default="none",
        choices=tuple(PARITIES),
        zh="校验位：无、偶、奇、恒 1、恒 0",
        en="Parity bit: none, even, odd, always 1, always 0",
    ),
    Setting(
        name="stopbits",
        form=Form.CHOICE,
        default="1",
        choices=tuple(STOP_BITS),
        zh="停止位（Linux 把 1.5 当作 2）",
        en="Stop bits (Linux takes 1.5 for 2)",
    ),
    Setting(
        name="xonxoff",
        form=Form.FLAG,
        default=False,
        zh="软件流控（XON/XOFF）；record_line 不可用",
        en="Flow control by the characters XON and XOFF; not with record_line",
    ),
    Setting(
        name="rtscts",
        form=Form.FLAG,
        default=False,
        zh="硬件流控（RTS/CTS）：线缆接有这两根线时建议打开",
        en="Flow control by RTS and CTS: better with it when the cable has these wires",
    ),
    Setting(
        name="dsrdtr",
        form=Form.FLAG,
        default=False,
        zh="DSR/DTR 流控：Linux 驱动程序没有，设为 true 只表示不由本程序控制 DTR；设备需要时，把它的 DTR 接到 CTS，"
        "并打开 rtscts",
        en="Flow control by DSR and DTR, which Linux does not have: true only leaves DTR alone; for a device that "
        "needs it, lead its DTR to CTS and set rtscts",
    ),
    Setting(
        name="dtr",
        form=Form.FLAG,
        default=True,
        zh="打开串口时 DTR 是否有效；有些设备在 DTR 变化时会复位",
        en="Whether DTR is on while the port is open; some devices start anew when it changes",
    ),
    Setting(
        name="rts",
        form=Form.FLAG,
        default=True,
        zh="打开串口时 RTS 是否有效（rtscts 打开时由流控决定，使用 RS-485 时由收发切换决定）",
        en="Whether RTS is on while the port is open (flow control decides when rtscts is on, and rs485 when it is on)",
    ),
    Setting(
        name="exclusive",
        form=Form.FLAG,
        default=True,
        zh="独占串口：其他程序占用时不打开，打开后其他程序不能再占用",
        en="Have the port alone: not opened while another program has it, and kept from others",
    ),
    Setting(
        name="write_timeout_s",
        form=Form.NUMBER,
        default=30.0,
        lowest=0.1,
        highest=600,
        zh="线路这么多秒不接收数据即视为中断",
        en="The line counts as away when it takes nothing for so many seconds",
    ),
    Setting(
        name="inter_byte_timeout_s",
        form=Form.NUMBER,
        default=0.0,
        highest=25.5,
        zh="驱动程序等待下一个字节的秒数（0.1 的倍数）；0 为不等待。一般不用设：到达的数据总是立即取走",
        en="How long the driver waits for one more byte, in tenths of seconds; 0 for not at all. Rarely needed: what "
        "has come is taken at once",
    ),
    Setting(
        name="rs485",
        form=Form.CHOICE,
        default="off",
        choices=("off", "driver", "program"),
        zh="RS-485 半双工：off 不用；driver 由驱动程序切换收发；program 由本程序用 RTS 切换（驱动程序不支持时）",
        en="RS-485, half duplex: off; driver, which switches between sending and receiving; program, which does it "
        "by RTS when the driver cannot",
    ),
    Setting(
        name="rs485_rts_sending",
        form=Form.FLAG,
        default=True,
        zh="RS-485 发送时 RTS 的电平",
        en="Level of RTS while sending on RS-485",
    ),
    Setting(
        name="rs485_rts_receiving",
        form=Form.FLAG,
        default=False,
        zh="RS-485 接收时 RTS 的电平",
        en="Level of RTS while receiving on RS-485",
    ),
    Setting(
        name="rs485_delay_before_s",
        form=Form.NUMBER,
        default=0.0,
        highest=1,
        zh="RS-485 切换到发送后，等待多少秒再发送",
        en="How long to wait after switching to sending on RS-485, in seconds",
    ),
    Setting(
        name="rs485_delay_after_s",
        form=Form.NUMBER,
        default=0.0,
        highest=1,
        zh="RS-485 发送完毕后，等待多少秒再切换到接收",
        en="How long to wait after sending before switching to receiving on RS-485, in seconds",
    ),
    Setting(
        name="rs485_loopback",
        form=Form.FLAG,
        default=False,
        zh="RS-485 发送时是否同时听到自己的数据（仅 driver）",
        en="Whether what is sent on RS-485 is heard here too (driver only)",
    ),
    Setting(
        name="parity_errors",
        form=Form.CHOICE,
        default="refuse",
        choices=("refuse", "replace", "ignore"),
        zh="capture：校验位出错的字节：refuse 退回所在记录；replace 换成问号；ignore 不检查",
        en="capture: bytes with a parity error: refuse the record, replace them by question marks, or ignore (not "
        "looked at)",
    ),
)
