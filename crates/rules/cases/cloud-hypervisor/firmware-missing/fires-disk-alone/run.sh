cloud-hypervisor --disk path=/srv/elm.raw --cpus boot=2 --memory size=2G
