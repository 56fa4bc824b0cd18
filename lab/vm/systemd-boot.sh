# SPDX-License-Identifier: GPL-3.0-or-later
# UEFI with systemd-boot, where every firmware looks for it: on an EFI system partition before the root file system.
root_mib=513

boot_files() {
  echo 'UUID=6D1F-0B5E /boot/efi vfat umask=0077 0 0' >> etc/fstab
  install -d boot/efi
  cp usr/share/OVMF/OVMF_CODE_4M.fd /out/firmware.fd
  cp usr/share/OVMF/OVMF_VARS_4M.fd /out/variables.fd
}

boot_sectors() {
  printf 'start=2048, size=512MiB, type=U\ntype=L\n' | sfdisk --quiet --label gpt "$disk"
  mkfs.vfat -F 32 -i 6D1F0B5E --offset 2048 "$disk" 524288 > /dev/null
  # For the first boot alone: then the host's own kernel-install writes the entries. The console tells which kernel boots.
  cat > /tmp/first.conf <<EOF
title first boot
linux /first/linux
initrd /first/initrd
options root=UUID=$uuid ro loglevel=6 console=ttyS0,115200
EOF
  export MTOOLS_SKIP_CHECK=1
  mmd -i "$disk@@1M" ::EFI ::EFI/BOOT ::loader ::loader/entries ::first
  mcopy -i "$disk@@1M" usr/lib/systemd/boot/efi/systemd-bootx64.efi.signed ::EFI/BOOT/BOOTX64.EFI
  mcopy -i "$disk@@1M" "boot/vmlinuz-$stock" ::first/linux
  mcopy -i "$disk@@1M" "boot/initrd.img-$stock" ::first/initrd
  mcopy -i "$disk@@1M" /tmp/first.conf ::loader/entries/first.conf
}
