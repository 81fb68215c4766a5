virtiofsd --socket-path=/tmp/virtiofs.sock --shared-dir=/srv/share --cache=never &
cloud-hypervisor --kernel vmlinux --disk path=focal.raw --cmdline "console=hvc0 root=/dev/vda1 rw" --cpus boot=4 --memory size=4G --fs tag=myfs,socket=/tmp/virtiofs.sock,num_queues=1,queue_size=512
