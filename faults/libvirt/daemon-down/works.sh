virsh -q list --all
