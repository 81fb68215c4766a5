virsh -q list --all
test "$(sysctl -n net.ipv4.ip_forward)" = 1
