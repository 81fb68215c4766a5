other=$(hostname)
other=${other%-1}-2
address=$(getent hosts "$other" | cut -d ' ' -f 1)
sed -i "/ $other\$/d" /etc/hosts
virsh -q start web
virsh -q migrate --live --copy-storage-all web "qemu+ssh://$address/system" 2>&1 || true
