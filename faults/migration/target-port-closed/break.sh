other=$(hostname)
other=${other%-1}-2
# What is there when a firewall is set up by somebody who knows ssh.
ssh "$other" "nft add table inet filter; nft 'add chain inet filter input { type filter hook input priority 0; policy accept; }'; nft add rule inet filter input iifname enp1s0 tcp dport != 22 ct state new reject with icmpx host-unreachable"
virsh -q start web
virsh -q migrate --live --copy-storage-all web "qemu+ssh://$other/system" 2>&1 || true
