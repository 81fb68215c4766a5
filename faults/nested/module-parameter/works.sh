grep -q '[1Y]' /sys/module/kvm_amd/parameters/nested
