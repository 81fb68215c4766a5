# The lab has no ping: see network/bridge-netfilter.
ip netns exec a timeout 10 bash -c '</dev/tcp/10.20.0.12/9' 2>&1 | grep -q refused
test "$(sysctl -n net.ipv4.ip_forward)" = 1
