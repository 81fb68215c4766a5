qemu-system-x86_64 -machine q35,accel=kvm -cpu host,hv_relaxed,hv_vapic,hv_vpindex,hv_synic,hv_stimer,hv_time -m 8G -smp 8
