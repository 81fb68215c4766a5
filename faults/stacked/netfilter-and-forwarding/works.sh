ip netns exec a ping -q -c 1 -W 5 10.20.0.12
test "$(sysctl -n net.ipv4.ip_forward)" = 1
