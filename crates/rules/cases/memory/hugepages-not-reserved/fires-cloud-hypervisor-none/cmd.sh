cloud-hypervisor --cpus boot=1 --memory hugepages=on,size=1024M --kernel fw --disk path=loom.raw
