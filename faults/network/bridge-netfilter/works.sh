# The lab has no ping. Nobody listens at this port: who is reached says so, and a firewall that drops says nothing.
ip netns exec a timeout 10 bash -c '</dev/tcp/10.20.0.12/9' 2>&1 | grep -q refused
