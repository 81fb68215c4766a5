# An image as it came from a cloud, and nobody has said what boots it.
truncate -s 64M /srv/cloud.raw
cloud-hypervisor --disk path=/srv/cloud.raw --cpus boot=1 --memory size=128M --serial tty --console off 2>&1 | sed -n '1,3p'
