# SPDX-License-Identifier: GPL-3.0-or-later
# A BIOS with GRUB, whose two parts are written where a BIOS looks for them.
root_mib=1

boot_files() {
  cat > etc/default/grub <<EOF
GRUB_DEFAULT="gnulinux-advanced-$uuid>gnulinux-$stock-advanced-$uuid"
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=ttyS0,115200"
GRUB_TERMINAL=serial
EOF
  # For the first boot alone: then the host's own update-grub writes this file.
  install -d boot/grub/i386-pc
  cp usr/lib/grub/i386-pc/*.mod usr/lib/grub/i386-pc/*.lst boot/grub/i386-pc/
  cat > boot/grub/grub.cfg <<EOF
linux /boot/vmlinuz-$stock root=UUID=$uuid ro quiet console=ttyS0,115200
initrd /boot/initrd.img-$stock
boot
EOF
  grub-editenv boot/grub/grubenv create
}

boot_sectors() {
  first_sector=$((root_mib * 2048))
  echo "$first_sector,,L,*" | sfdisk --quiet --label dos "$disk"
  # The BIOS loads the first sector (its partition table stays), that one loads the core image from the second on.
  grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o /tmp/core.img biosdisk part_msdos ext2
  test "$(stat -c %s /tmp/core.img)" -le "$(((first_sector - 1) * 512))"
  dd if=/usr/lib/grub/i386-pc/boot.img of="$disk" bs=440 count=1 conv=notrunc status=none
  dd if=/tmp/core.img of="$disk" bs=512 seek=1 conv=notrunc status=none
}
