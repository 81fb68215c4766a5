cloud-hypervisor --firmware hypervisor-fw --disk path=focal.raw --cpus boot=8,max=4 --memory size=4G --net "tap=,mac=,ip=,mask="
