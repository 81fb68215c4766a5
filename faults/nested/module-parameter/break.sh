echo 'options kvm_amd nested=0' >/etc/modprobe.d/kvm.conf
modprobe -r kvm_amd
modprobe kvm_amd
