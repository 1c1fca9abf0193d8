# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# libvirt starts a guest on a port: QEMU runs as a user without capabilities, in cgroups that
# libvirt made, and gets the device's file from libvirt.

virsh_() {
	virsh --quiet --connect qemu:///system "$@"
}
# Of Debian's package; the user that QEMU runs as.
user=libvirt-qemu
if ! command -v libvirtd virtlogd virsh >/dev/null || ! id "$user" >/dev/null 2>&1; then
	echo 'ok - libvirt # SKIP libvirt-daemon-system and libvirt-clients are not installed'
	return 0
fi
note "libvirt $(virsh --version)"
virt_wwn=naa.5001405000000091
ramdisk_create rd_mcp_91/virt 16
tpg_create "$virt_wwn" 1
lun_add "$virt_wwn" 1 0 rd_mcp_91/virt
id -u "$user" >"$configfs/vhost/$virt_wwn/tpgt_1/attrib/bind_uid"
! guest_alive main || guest_stop main

# The host VM has no udev and no systemd, which do this on a host.
chmod 666 /dev/kvm
mkdir -p /run/boot
cp "$VHOST_GUEST_KERNEL" /run/boot/kernel
cp "$VHOST_GUEST_INITRAMFS" /run/boot/initramfs
virtlogd --daemon
libvirtd --daemon
check 'libvirt answers' within 30 virsh_ list

dir=$work/virt
mkdir -p "$dir"
: >"$dir/starts"
mkfifo "$dir/agent.in" "$dir/agent.out"
chmod -R a+rwX "$work"
# What install.rst shows, with a kernel and a channel for this test.
cat >"$dir/domain.xml" <<END
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>virt</name>
  <memory unit='MiB'>$guest_memory</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/run/boot/kernel</kernel>
    <initrd>/run/boot/initramfs</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 oops=panic mitigations=off maxcpus=1 pci=noearly tsc=reliable no_timer_check initcall_blacklist=init_kprobe_trace</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'><feature policy='disable' name='svm'/></cpu>
  <devices>
    <emulator>$(command -v "$qemu")</emulator>
    <serial type='file'><source path='$dir/console'/></serial>
    <channel type='pipe'>
      <source path='$dir/agent'/>
      <target type='virtio' name='agent'/>
    </channel>
    <hostdev mode='subsystem' type='scsi_host' model='virtio-non-transitional'>
      <source protocol='vhost' wwpn='$virt_wwn'/>
      <alias name='ua-lio'/>
    </hostdev>
    <memballoon model='none'/>
  </devices>
  <qemu:override>
    <qemu:device alias='ua-lio'>
      <qemu:frontend>
        <qemu:property name='num_queues' type='unsigned' value='2'/>
      </qemu:frontend>
    </qemu:device>
  </qemu:override>
</domain>
END
check 'virsh starts the guest' virsh_ create "$dir/domain.xml"
echo "$(</run/libvirt/qemu/virt.pid)" >"$dir/pid"
same "QEMU is $user's" "$user" "$(stat -c %U "/proc/$(<"$dir/pid")")"
check 'it comes up' guest_ready virt
same 'it sees the disk' '0:0:1:0' "$(guest_disks virt | cut -d ' ' -f 1)"
disk=$(guest_disk virt 1 0)
same 'num_queues of the override holds' 2 "$(guest virt "ls /sys/block/${disk#/dev/}/mq | wc -l")"
check 'data is right' guest_verify virt "$disk" 4
check 'its memory can be pinned' awk '/^VmPin/ { exit !$2 }' "/proc/$(<"$dir/pid")/status"
virsh_ suspend virt
virsh_ resume virt
check 'data is right after suspend and resume' guest_verify virt "$(guest_disk virt 1 0)" 4
virsh_ reset virt
check 'it comes up after reset' guest_ready virt
check 'data is right then' guest_verify virt "$(guest_disk virt 1 0)" 4
check 'virsh destroys it' virsh_ destroy virt
free() {
	! ls -d /sys/class/misc/vhost-scsi/devices/[0-9]*
}
check 'the port is free' within 10 free

pkill -x libvirtd
pkill -x virtlogd
rm -rf "$dir" /run/boot
wwn_remove "$virt_wwn"
store_remove rd_mcp_91/virt
