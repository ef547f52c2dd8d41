#!/bin/sh
# The first process of the virtual machine: starts D-Bus and BlueZ, runs the tests, says how they ended, and stops.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for folder in /run /tmp /var/lib/bluetooth; do mount -t tmpfs none "$folder"; done
mkdir -p /run/dbus
busybox ip link set lo up
[ -e /dev/vhci ] || busybox mknod /dev/vhci c 10 137

dbus-daemon --system --nopidfile
/usr/libexec/bluetooth/bluetoothd >/tmp/bluetoothd.log 2>&1 &

cd /checkout
export PYTHONPATH=/checkout:/site PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
# Nothing of the checkout's settings for pytest: they name plug-ins that are not here.
/usr/bin/python3 -m pytest -c /dev/null --rootdir /checkout --noconftest -p no:cacheprovider --basetemp /tmp/tests \
    -v --color no --durations 3 -k "$(sed 's/.*bluez_vm.only=//' /proc/cmdline)" tests/bluez_vm/guest.py
status=$?
[ "$status" -eq 0 ] || { busybox tail -n 40 /tmp/bluetoothd.log; busybox dmesg | busybox grep -i bluetooth; }
echo "bluez-vm: exit $status"
busybox poweroff -f
