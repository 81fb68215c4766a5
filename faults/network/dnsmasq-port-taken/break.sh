# Another dnsmasq serves the whole host.
virsh -q net-destroy default
cat >/etc/systemd/system/dns.service <<'END'
[Service]
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/dev/null --port=53 --user=root
END
systemctl daemon-reload
systemctl start dns
virsh -q net-start default 2>&1 || true
