cloud-hypervisor --kernel vmlinux --memory size=2G,shared=on --cpus boot=2 --fs tag=data,socket=/run/data.sock,num_queues=1,queue_size=512
